"""What the workbook of lesson 10 adds to the lesson."""
GIVEN = (
    # How a record becomes tensors and plain numbers, and back.
    "_SavedRecord",
    # How the state of each kind of random numbers is read and set.
    "_random_state", "_set_random_state",
)
HINTS = {
    "_reach":
        "where among the kinds of _CANCELS, then Exception, then BaseException, does it stand?",
    "_despite": "run the action; what fails there: does it reach farther? is it an error to show?",
    "_map": "in this order: a tensor, a tuple or list, a mapping, anything else",
    "_split": "a dict, something that is no tuple, a tuple; and is a half of one part itself?",
    "_call": "look at the last thing given: is it a tuple, a dict, or neither?",
    "_n_samples": "of a tensor its length, or 1 without a dimension; else the first of the parts",
    "Callback.name": "camel2snake of the class's name without its end, if something is left",
    "Callback.__getattr__": "a property's own error; then the Learner in __dict__; then _not_found",
    "Callback.__setattr__":
        "warn for what is in _STATE, naming the line to write; set it in any case",
    "_not_found": "no Learner yet, and a name that only one has? else what is most alike?",
    "_made": "of a class an instance; is it a Callback? if not, a TypeError that shows what came",
    "_check_callback": "there already? taken, by whom? then look at all names of the class",
    "_Listeners.__missing__": "a ValueError: which event is most alike, and which ones are there?",
    "_listeners":
        "two tables of lists; for each callback, which of the EVENTS does its class have?",
    "_Callbacks.add_cbs": "one after the other: made, checked, added; what is returned?",
    "_Callbacks.remove_cbs":
        "which ones are meant by an object, and by a class? none: a ValueError",
    "_Callbacks.added_cbs": "make them once; yield with them; and who stays in the end?",
    "_Callbacks.removed_cbs": "yield without them; then those of before, and who has come since",
    "_Callbacks._set_cbs": "sorted by order; each knows its Learner; then the listeners",
    "_CarefulCaller.__call__":
        "which table, which event? a failure: locate, misplaced, the others despite it, raise",
    "_CarefulCaller._misplaced": "which level does it cancel, and is that one running?",
    "_CarefulCaller.position": "which epoch? and within a pass, which batch of which pass?",
    "_CarefulCaller._locate": "only an interrupt, and only one without words",
    "_Levels._level": "lesson 06's: its own cancel; after_… despite a failure; after_… without one",
    "_Levels._inside": "add the level, run the body, and take it away whatever happens",
    "_Parts.__init__": "refuse, keep, start empty; own callbacks; defaults that nobody replaces",
    "_Parts.__getattr__": "is there a callback of that name? else an AttributeError",
    "_Ready.model_device": "of the first parameter; and of a model that has none?",
    "_Ready.create_opt":
        "a list of parameters, or a dict for each list of the splitter; the first rate",
    "_Ready.set_lr": "do they fit the groups? then each group its rate, or the one for all",
    "_Ready._get_ready":
        "two refusals; an optimizer if need be; the rate; variables as at first; listeners anew",
    "_Ready._batches": "move by _map what is elsewhere; count in batch; yield what _split gives",
    "_Loop._all_epochs": "the fit's first event; then each epoch, from first_epoch on, as a level",
    "_Loop._one_epoch": "not complete; the event; two levels; complete",
    "_Loop._train": "which pass is it, and which loader? then the event, then the batches",
    "_Loop._validate": "the other pass; a given loader or the data's; the event; no gradients",
    "_Loop._all_batches": "each batch is a level; and batch is None in the end, whatever happens",
    "_Loop._one_batch":
        "keep both parts; between the events: pred, loss, backward, step, zero_grad",
    "Learner.fit": "callbacks for this fit; ready; the fit as a level; let go in the end",
    "TrainEvalCallback.__init__": "keep it",
    "TrainEvalCallback.before_fit":
        "move the model if told so; a loss that is a module; both counts",
    "TrainEvalCallback.before_train": "the mode; the epoch as a float; how many batches, if known?",
    "TrainEvalCallback.after_batch": "only in training: one more; and which share of the epoch?",
    "TrainEvalCallback.before_validate": "the other mode",
    "_counts_itself": "has it all three of the methods?",
    "_Means.reset": "AvgStats does its part; who counts by itself, and begins anew?",
    "_Means.accumulate": "loss and metrics of a batch, detached; its samples; fold when 256 wait",
    "_Means.means": "nothing without samples; else each name with its mean, or what was computed",
    "Averages.before_fit": "a _Means for each pass, in training with or without metrics; found",
    "Averages.before_epoch": "empty again",
    "Averages.before_train": "which of the two begins anew?",
    "Averages.before_validate": "which of the two begins anew?",
    "Averages.after_batch": "has it a loss? then to the means of its pass",
    "Averages.after_cancel_train": "forget what there is of that pass",
    "Averages.after_cancel_validate": "forget what there is of that pass",
    "Averages.after_train": "its means, with train_ before each name",
    "Averages.after_validate": "its means; what is the loss called here?",
    "Recorder.__init__": "super's first; keep both options",
    "Recorder.before_fit": "super's first; the columns, by the names of both averages; the clock",
    "Recorder.before_epoch": "super's first; the clock",
    "Recorder.after_batch": "super's first; in training, and with a loss, add_batch",
    "Recorder.after_epoch":
        "are the means valid? is there a new batch? then the row, and the logger",
    "_Progress.__init__": "keep it",
    "_Progress.before_fit":
        "the first Recorder, or “a Recorder” is missing; a new _Graph that knows it",
    "_Progress.before_epoch": "a table already? with bars or as rows; then the rows that are there",
    "_Progress.show":
        "write it, or open the table late; move the master bar; the graph, where wanted",
    "_Progress._write": "the texts of the row, to the table",
    "ProgressCallback.before_train": "a bar over which loader?",
    "ProgressCallback.after_batch": "a file has no bar",
    "ProgressCallback.after_train": "it is over",
    "ProgressCallback.before_validate": "a bar over which loader?",
    "ProgressCallback.after_validate": "it is over",
    "ProgressCallback.after_fit": "were there bars at all? both closed; then none, and no logger",
    "Learner.no_bar": "who shows bars? none for the time of the block, and again in the end",
    "Learner.looking":
        "what the loop sets, and modes, are kept; no reports; all put back in the end",
    "Learner.validate":
        "averages made by hand; a look: evaluation, one level with this loader; a list",
    "_joined": "what is the first part: a tensor, a dict, or a tuple?",
    "_KeepsPredictions.__init__": "keep the wish; nothing yet",
    "_KeepsPredictions.after_pred":
        "pred, yb and perhaps losses, on the CPU; then no more of this batch",
    "_KeepsPredictions.losses": "of each sample: a batch of one, in prediction and targets",
    "Learner.get_preds": "a look with the one who keeps; no batch: a ValueError; else join them",
    "Learner.predict": "one sample as a batch of one, and back again",
    "ParamScheduler.before_fit": "a name in all groups? fitting schedules? somebody who counts?",
    "ParamScheduler.before_batch":
        "which fraction of all epochs is done? then each group its value",
    "_momentum": "_lr_and_momentum gives it; and where there is none?",
    "Learner.fit_one_cycle":
        "an optimizer; a cycle for each rate; its mirror, if there is momentum; fit",
    "LRFinder.before_fit": "two empty lists",
    "LRFinder.before_batch": "which place is it between both ends? by equal factors, in all groups",
    "LRFinder.after_loss": "its number; both lists; smoothed how? exploded, and does that count?",
    "LRFinder.after_batch": "have all been tried?",
    "LRFinder.before_validate": "there is a cancel for this pass",
    "Learner.lr_find":
        "an optimizer; remember all; enough epochs, as a look; put back whatever happens",
    "GradientClip.__init__": "a ValueError that names it unless it is above 0; keep it",
    "GradientClip.before_step": "PyTorch has a function for the norm of all together",
    "GradientAccumulation.__init__": "a ValueError that names it below 1; keep it",
    "GradientAccumulation.before_fit": "no batches, no samples",
    "GradientAccumulation.before_backward":
        "count both; keep the mean, and weigh it by the samples",
    "GradientAccumulation.before_step":
        "the loss as it was; neither enough nor last: a cancel; else divide, and count anew",
    "GradientAccumulation.after_fit": "whose gradients may be left?",
    "MixedPrecision.__init__": "refuse all but bfloat16, by its name; keep it",
    "MixedPrecision.before_batch": "an autocast for the model's kind of device, and into it",
    "MixedPrecision.after_pred": "out of it; then what has a point in 32 bits",
    "MixedPrecision.after_batch": "out of it, if still inside; then there is none",
    "_as_bytes": "torch.save can write to a BytesIO",
    "_write": "folder; beside it, flushed and synced; then in its place; and the part is gone",
    "_read": "its bytes, then weights_only; which error says what? which parts are missing?",
    "_check_fits": "shapes by name, there and here; which differ? name three at most",
    "_opt_state": "has it one? else a TypeError",
    "_load_parts": "what must be asked before anything is changed, and what comes last?",
    "Learner.save": "an optimizer if it is wanted; the parts; written as bytes",
    "Learner.load": "read the parts that are needed; drop or make the optimizer; load; return",
    "_generators": "of both loaders and their samplers; real ones, each once",
    "_with_state": "whose class has state_dict?",
    "Checkpoint.__init__": "a ValueError that names it below 1; keep both",
    "Checkpoint.before_fit": "nothing taken down",
    "Checkpoint.after_epoch":
        "whole epochs only; all parts by name, as bytes; is it time to write?",
    "Checkpoint.after_fit": "write what waits; then nothing does",
    "_Resume.__init__": "keep it",
    "_Resume.before_fit": "read; as many epochs? then each part to its place, random numbers last",
    "Learner.resuming": "which callback is it?",
    "Learner.fit_flat_cos": "for each rate two schedules in a row; then a fit",
    "Learner.summary": "a hook on each module without children; one batch; the lines; no hook left",
    "synth_learner": "a generator of its own for x, noise and weights; batches; then a Learner",
}
SLIPS = {
    "batches go where the model is, and a new Learner is at its beginning":
        "Whose device counts? Is a batch that is there already left as it is?",
    "each epoch has its own time, and averages alone find both passes":
        "Does the clock start in before_epoch, too? Are the metrics averaged in training?",
    "a schedule is asked once for each training batch, and must fit every group from the start":
        "Are all groups asked for the name, before anything begins? Is a position never above 1?",
    "files leave the optimizer that is there, and hold what is no tensor as well":
        "Is an optimizer made only where there is none and one is wanted?",
    "a device's random numbers are kept where it is, and put back where it is":
        "Kept if there is a device; put back if there is one and the file has its numbers?",
    "the exception that reaches farther goes on, over five levels, and no error is lost":
        "Is the order that of _CANCELS, and does an error among equals stand back with a warning?",
    "batches of every form are mapped, split, handed over and counted":
        "Is a part alone itself, are no targets `()`, and is only the last thing spread?",
    "what a callback lacks is the Learner's; hiding and typing errors are named":
        "Do you ask `self.__dict__` for the Learner, so that nothing goes in circles?",
    "what is set on the callback and hides the Learner's is warned of, with the line to write":
        "Is it set in spite of the warning, and does the warning point to the caller's line?",
    "wrong callbacks are refused, and what is never called is warned of":
        "Are the state, the Learner's class and its own attributes asked?",
    "listeners are those that define an event and want to hear the pass, in order":
        "Are the events of fit and epoch for everybody, and those of a pass for those who want it?",
    "callbacks come and go, in order, and each knows its Learner":
        "Does a class stand for its subclasses too? Is the Learner returned?",
    "blocks add and remove callbacks for a time, and leave all as it was, whatever happens":
        "Does what was added in the block by others stay? Is the old order back?",
    "clean-up reaches every listener, misplaced cancels are named, interrupts say where":
        "Are the listeners behind the failing one called at clean-up, and at no other event?",
    "mistakes come before other errors, events have their names, and interrupts say where":
        "Is the RuntimeError made before the others are called? Is a batch 0 told from None?",
    "a level ends whatever happens, catches its own cancel alone, and counts as running":
        "Is the level out of `running` before after_cancel_… is called, also after an error?",
    "without callbacks the weights are those of lesson 03's fit, bit for bit":
        "Are all steps in the order of lesson 03? Does anything draw a random number?",
    "the promise: whatever is raised, anywhere, all that has begun is ended":
        "Are the first events of epoch, passes and batches called inside of their level?",
    "at after_cancel_… a level is over, and what fails there ends the levels outside":
        "A cancel of a level that is over is a mistake: is `running` right there?",
    "failures outside of any callback end everything too, and say where they were":
        "Is batch None after a pass, however it ends? Is epoch set before the level begins?",
    "what callbacks assign is what the loop goes on with":
        "Does every line read `self.xb`, `self.pred`, `self.loss`, `self.dl`, and no local name?",
    "the optimizer is made once, rates are set in each fit, and mistakes are named":
        "Is the rate of this fit set, also when the optimizer is there already?",
    "callbacks are there by default, by name, or for one fit":
        "Does a given callback take the place of a default of its class?",
    "modes follow the passes, training batches are counted, and the model may be moved":
        "Is the fraction that of batches done, and does a loader without a length move it not?",
    "means are exact for batches of every form, with metrics of both kinds, and keep no graph":
        "Is each batch weighted by its samples? Do metrics get a detached prediction?",
    "a loss that is a number is averaged too, weighted by the inputs where there is no target":
        "Are the inputs asked when there are no targets?",
    "the table has the smoothed loss and exact means; rates and momenta are those of the batch":
        "Do both averages begin anew in their pass? Which columns are there, in which order?",
    "cancelled passes, broken epochs and batches without a loss leave no means":
        "What is reset at a cancel, and who asks `complete`?",
    "a saved record is the same record, and goes on in the same way":
        "Does the Recorder leave the record as it is when it is not running?",
    "the table is shown as rows or with bars, whatever happens, and nothing is left behind":
        "Is everything closed in after_fit, and are bars and logger None then?",
    "the table needs a Recorder, stands a fit that does not begin, and is there by default":
        "What if before_fit was never reached, or the first epoch kept from beginning?",
    "a notebook shows one table, with old rows first, and a graph if it is asked for":
        "Are rows that are there already written when the table is opened, and only then?",
    "within no_bar there are rows of text alone, and afterwards bars again":
        "Is it taken back in `finally`, and is the Learner what the block gets?",
    "a look leaves modes, loop variables and callbacks as they were, whatever happens in it":
        "Is everything remembered before the block, and put back in `finally`?",
    "validate gives exact means, lets callbacks take part, and changes nothing":
        "Is the model set to evaluation, and the given loader used?",
    "predictions are the model's, of all samples in order; losses are those of each sample":
        "Does a loss get batches of one? Is the batch cancelled before a mean loss is computed?",
    "predictions of several outputs are joined part by part, for several inputs and targets":
        "Are dicts joined entry by entry, and tuples part by part?",
    "each training batch has the value of its fraction, in every group; mistakes are named":
        "Is the fraction that of all epochs, not of this one?",
    "rates and momenta follow the cycle; an optimizer without momentum keeps none":
        "Are pct_start, div and div_final in the order of one_cycle?",
    "one cycle keeps or renews the optimizer, takes callbacks, and has a rate for each group":
        "Is the optimizer made before its momentum is asked for?",
    "the finder tries num_it rates by equal factors, and ends when the loss explodes":
        "Is the first rate start_lr and the last end_lr? How many epochs do num_it batches need?",
    "after lr_find everything is as before, bit for bit, however it has ended":
        "Is all remembered before the fit, and put back in `finally`? Is it a look?",
    "accumulated steps are those of the big batch, clipped or not, and the loss is untouched":
        "Is the loss weighted by samples, and the gradient divided by all of them?",
    "the gradient is the mean of all samples, others see the loss as it was, and none is left":
        "Is the mean put back before the cancel? Are the counts 0 again after a step?",
    "a gradient that is too long is shortened, one that is not stays":
        "Is it the length of all parameters together?",
    "the model runs in 16 bits, what comes out is in 32, and no block is left open":
        "Is autocast left before the loss, and also when a batch ends early?",
    "files are written whole or not at all":
        "Is the file complete and synced before it is moved, and the part removed after a failure?",
    "files with code, damaged ones, and those of another kind are refused by name":
        "Is weights_only True, and does each message name the file?",
    "what is saved is loaded whole, with the optimizer's memory, and training goes on with it":
        "Is the optimizer saved and loaded too, or left out where it is not wanted?",
    "what does not fit is named, and nothing is changed":
        "Are the shapes compared before anything is loaded, and the weights loaded last?",
    "all random numbers go on from a file as they would have, those of loaders included":
        "Are the samplers' generators found too, and each only once?",
    "a fit that is broken off goes on bit for bit; files are written when they should be":
        "Whole epochs only; the next epoch's number; and what waits is written in after_fit.",
    "files of other fits are refused, and a callback's own state goes on":
        "Is the number of epochs compared, and does each callback get its own state?",
    "flat rates end in a cosine, in every group":
        "Is the first part flat, for pct_start of the training?",
    "a summary has a line for each layer, in the order of the calls, and leaves no hook":
        "Only modules without children; and are hooks removed in `finally`?",
    "the synthetic Learner is always the same, learns its line, and draws no random numbers":
        "Does every random number come from the generator of its own?",
}
OBJECTIVES = [
    "Students can write a training loop with named levels and events that reads from the outside "
    "in, and that no feature changes.",
    "Students can change inputs, predictions, losses and gradients from a callback, and leave out "
    "a step or a pass by the right exception.",
    "Students can accumulate gradients over batches of any size so that the result is that of one "
    "big batch, and prove it.",
    "Students can list what a training needs to go on bit for bit, save it in a file that is never "
    "half written, and load it without running code from it.",
    "Students can add a tool to a class from outside that leaves everything as it found it.",
]
MOMENTS = [
    "In “Gradients and precision”, before the text under the first Predict: which exception, "
    "raised at which event, makes one step of four batches? Collect proposals on the board, then "
    "let each be tried with `Logs`. Those who raise it in after_loss have no gradients to add up.",
    "In “Going on after a stop”: what must be in the file? Let small groups make lists; most have "
    "weights, optimizer and epoch. Then run the resumed fit without one part after the other "
    "(comment out a line of _Resume) and see at which batch the curves part.",
]
COMMON = [
    ("the optimizer's rate is left from the fit before",
     ("self.set_lr(self.lr if lr is None else lr)", "if lr is not None: self.set_lr(lr)")),
    ("the training pass does not say that it is one, so after a validation no step is taken",
     ("self.training, self.dl = True, self.data.train_dl", "self.dl = self.data.train_dl")),
    ("accumulated gradients are divided by the number of batches",
     ("if p.grad is not None: p.grad /= self.n_samples",
      "if p.grad is not None: p.grad /= self.n_batches")),
    ("a checkpoint holds an epoch that was broken off",
     ("        if not learn.complete: return\n        self.content", "        self.content")),
    ("the file is written in place, so that a crash leaves half of it",
     ('part = path.with_name(f"{path.name}.part")', "part = path")),
    ("a look leaves the loop's variables as the validation pass has set them",
     ("            vars(self).update(kept)\n", "")),
]
