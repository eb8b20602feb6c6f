"""What the workbook of lesson 09 adds to the lesson."""
GIVEN = (
    # The wording of errors and warnings: what is refused, and what was probably meant.
    "_check_callback", "_warn_of_typos", "_State._refuse",
    # Lesson 04's look-up, with the learner in place of the runner, and the wording of its errors.
    "LearnerCallback.__getattr__",
    # Two methods that do nothing.
    "_NoBar",
)
ABOUT = {  # the check of a piece that stands in an earlier section
    "a search ends at its last rate or with the explosion, and shows no table":
        ("OneCycleScheduler", "LRFinder", "Learner"),
    "one cycle has, batch by batch, the rates and momenta of the closed form":
        ("OneCycleScheduler", "Learner"),
    "a cycle that cannot be planned is refused, and the momentum is put back once":
        ("OneCycleScheduler", "Learner"),
    "a search has the rates and losses of lesson 06's, and leaves no trace":
        ("LRFinder", "Learner"),
    "a search with rates that make no sense is refused": ("LRFinder", "Learner"),
    "a file that fits the model and not the optimizer changes neither": ("_Files", "Learner"),
    "each number of the row is what its formula says": ("Recorder", "Learner"),
    "saving is whole or not at all, loading gives all back or changes nothing":
        ("_Files", "Learner"),
    "a file that cannot be loaded changes nothing": ("_read", "_Files", "Learner"),
    "frozen layer groups stay as they are, and rates spread over the groups": ("_Fits", "Learner"),
}
HINTS = {
    "Callback.name": "the class's name, without Callback at its end if more is left, in snake_case",
    "Callback.jump_to_epoch": "which key of the state says which epoch comes next?",
    "_as_update":
        "None, dict, pair; refuse: “WHO.EVENT”, “a TYPE;”, “a dict or None”, “pair”; value; yes",
    "_State.__init__": "two lists, by listify, and beta; _begin with 0 and None; warn of typos",
    "_State._begin":
        "functions to AverageMetrics; check all; sort; smoothener; state by the table; listeners",
    "_State._ask": "call with the whole state; its answer as an update; an unknown key: _refuse",
    "AverageMetric.__init__": "self.mean: a Mean of it",
    "AverageMetric.name": "the mean has one",
    "AverageMetric.on_epoch_begin": "the mean begins anew",
    "AverageMetric.on_batch_end": "which of the two passes is measured?",
    "AverageMetric.on_epoch_end": "a dict: a new list of what is there and the mean's value, last",
    "_Trainings.on_train_begin": "other metrics, unless it is None; _begin; ask those who listen",
    "_Trainings.epochs": "yield the next epoch's number while the state has one; look each time",
    "_Trainings.on_train_end": "note the exception; _tell those who listen",
    "_Trainings._tell": "_ask one at a time; if it fails, the rest by _despite; it goes on",
    "_Epochs.on_epoch_begin": "epoch, next_epoch; what an epoch begins with; metrics; then ask",
    "_Epochs.start_metrics": "ask the metrics, at the event at which they start",
    "_Epochs.finish_metrics":
        "last_metrics: the loss; the metrics add theirs, or each a None; the list is the answer",
    "_Epochs.on_epoch_end": "metrics first; then those who listen; which key is the answer?",
    "CallbackHandler.on_batch_begin":
        "the other pass? count anew. Keep the pair, forget the skips, ask; what is there now?",
    "CallbackHandler.on_loss_begin": "keep it, ask, return what is there now",
    "CallbackHandler.on_backward_begin": "smooth it, keep both losses, ask; two things come back",
    "CallbackHandler.on_backward_end": "ask; which key is the answer?",
    "CallbackHandler.on_step_end": "ask; which key is the answer?",
    "CallbackHandler.on_batch_end": "loss and output without graph; ask; count both; the answer",
    "train_epoch": "train mode; hand over what you have, go on with what comes back; ask each time",
    "validate": "eval mode; AvgStats(None, False) of SimpleNamespaces; no_grad for output and loss",
    "fit": "refuse, “epochs is …”; a handler; bind four names; try, _despite; at last False",
    "progress_bar": "import in here; which class belongs to which _where()? else a _NoBar",
    "with_bar": "without a bar, the batches; else open, show, move as in lesson 07, finally close",
    "LearnerCallback.__init__": "setting learn does all of it",
    "LearnerCallback.__setattr__":
        "one of the four: warn, “self.learn.…”; not learn: set; taken: ValueError; weak; enter",
    "Recorder.__init__": "both parents', by their names; keep add_time",
    "Recorder.on_train_begin": "reset with the column names; a bar? update(0), then write them",
    "Recorder.on_epoch_begin": "self.started, by time.perf_counter()",
    "Recorder.on_backward_begin": "add_batch with loss, rate, momentum; nan where there is none",
    "Recorder.on_epoch_end": "{name: value} to add_epoch; a bar? the row's texts, then update",
    "Recorder.on_train_end": "a bar? on_iter_end",
    "Quiet.on_train_begin": "which key of the state is the bar, and what is it without one?",
    "_Fits.__init__":
        "keep all; groups, else [model]; Path; opt by create, 3e-3; make callbacks, Recorder first",
    "_Fits.fit": "rate; decay, which may be 0; the loop, with all callbacks and the metrics",
    "_Fits.freeze_to": "lesson 08's function of that name, on the layer groups",
    "_Fits.freeze": "freeze_to which number?",
    "_Fits.unfreeze": "lesson 08's function of that name",
    "_read":
        "not there: which are? weights only; errors but OSError: “damaged”; no key: “'model'”",
    "_Files._file": "path, folder, and the name with .pth",
    "_Files.save":
        "folder; torch.save to name.PID.part, flush, fsync; replace; finally unlink; the path",
    "_Files.load": "read; keep both; load; on an error put both back and raise it; the learner",
    "_Keeps.__init__": "two empty lists",
    "_Keeps.on_batch_end": "one to each list, on the CPU",
    "Learner.fit_one_cycle": "rates of the groups; a scheduler of all that; fit, with one more",
    "Learner.lr_find": "a finder; the loop for one epoch with it; no rate is set before",
    "Learner.validate":
        "refuse None, “data.valid_dl is None”; metrics start, pass, finish; if it fails, tell",
    "Learner.get_preds": "a _Keeps goes along; then its lists, each as one tensor",
    "GradientClipping.__init__": "super's first; keep clip",
    "GradientClipping.on_backward_end": "if there is a clip: PyTorch's function, all parameters",
    "OneCycleScheduler.__init__": "super's; refuse, “pct_start is …”; keep all, lr_max as an array",
    "OneCycleScheduler.on_train_begin":
        "n batches; 0: “use fit”; (length, rates, moms) up, down; pairs of Steppers; first values",
    "OneCycleScheduler.on_batch_end": "training only; a phase that is done goes if another follows",
    "OneCycleScheduler._set": "a list, a rate for each layer group; momentum if there was one",
    "OneCycleScheduler.on_train_end": "the momentum of before; and nothing is kept any more",
    "LRFinder.__init__":
        "super's; refuse, by value, rates that do not rise from above 0, num_it below 2; keep all",
    "LRFinder.on_train_begin": "two lists, undo from _keep_all; a dict of three keys of the state",
    "LRFinder.on_batch_begin": "by how many rates there are; the last one is num_it - 1",
    "LRFinder.on_backward_begin": "rate and smoothed loss; four fifths of the one before",
    "LRFinder.on_batch_end": "exploded, if that is asked for, or all tried: two keys of the state",
    "LRFinder.on_train_end": "call whatever is in undo, and leave it empty",
    "ActivationRegularizer.__init__": "keep alpha",
    "ActivationRegularizer.on_backward_begin": "alpha times the mean of the squares, and the loss",
    "Bfloat16.on_batch_begin": "leave; a torch.autocast for the kind of device; enter it",
    "Bfloat16.on_loss_begin": "leave; 32 bits again",
    "Bfloat16.on_train_end": "leave",
    "Bfloat16._leave": "there is none any more; exit the one that there was",
    "TrueWeightDecay.__init__": "super's first; keep wd",
    "TrueWeightDecay.on_backward_end": "no_grad; by the rate of its group; what has a gradient",
    "_Watches.__init__": "super's; keep both; sign is 1 for a loss or an error, -1 for the rest",
    "_Watches.on_train_begin":
        "valid_loss and the metrics: refuse another, naming all; place, best inf, best_epoch None",
    "_Watches.is_better": "None for no number; by more than min_delta? remember number and epoch",
    "EarlyStoppingCallback.__init__": "super's first; refuse, “patience is …”; keep it",
    "EarlyStoppingCallback.on_train_begin": "super's first; wait is 0",
    "EarlyStoppingCallback.on_epoch_end": "None counts for nothing; else 0, or one more; too long?",
    "SaveModelCallback.__init__": "super's first; keep file; saved is False",
    "SaveModelCallback.on_epoch_end": "better? save, and note that something is saved",
    "SaveModelCallback.on_train_end": "saved is False again; was it True? the weights of the file",
}
SLIPS = {
    "a search ends at its last rate or with the explosion, and shows no table":
        "Is the number of rates counted exactly, and are both the epoch and the training ended? Is "
        "the bar taken away? Does a phase that is the last one stay?",
    "a new handler has a new state, and has looked at everyone":
        "Are all keys of the table there, with None, False, 0 or nan as they begin? Is everyone "
        "looked at once, metrics as well as callbacks?",
    "metrics have counted before a callback can change what they count":
        "Who comes first among the listeners of on_batch_end? Is the count of batches raised after "
        "all have been asked?",
    "a cycle that cannot be planned is refused, and the momentum is put back once":
        "Is pct_start looked at when the callback is made, and the length when training begins? Is "
        "mom_before None again in the end?",
    "a file that fits the model and not the optimizer changes neither":
        "Are both, model and optimizer, kept before either is loaded, and both put back when "
        "anything fails? Is only what is safe read?",
    "an answer is a dict of updates, an event's own value, a yes, or a mistake that is named":
        "Is None asked for with `is`? Is a tensor kept from being asked whether it is true? Does a "
        "no change nothing, and is only a pair taken at on_batch_begin?",
    "a callback has a name, an order and ten events that change nothing":
        "Is only a Callback at the end cut off, and not if nothing is left?",
    "a class, a method that cannot take the state, and an event with a typo are noticed":
        "These are given; are the ten methods of Callback as they were?",
    "the state counts, remembers and forgets as it should, event by event":
        "Are the counts those of the batch while it is handled? When are the skips forgotten, and "
        "when stop_epoch? Do loss and output lose their graph?",
    "callbacks run in their order, and what they return comes back":
        "Are callbacks sorted, and only those called that have a method of their own? Is what "
        "comes back read from the state after asking? Are metrics left out of the epoch events?",
    "an unknown key is refused by name, and all hear of the end although one fails":
        "Is the key refused before the update? Does the rest hear of the end once, and does the "
        "failure go on, also one that is no Exception?",
    "metrics are those of all validation samples at once, in every epoch":
        "Is a batch of training left out, is every epoch begun anew, and is it a new list that is "
        "returned? Without validation, are all numbers None?",
    "the loop uses every value and every yes that it gets back":
        "Is each answer of the handler bound to a name, and is that name used in the next line, in "
        "both passes?",
    "what is to be skipped is skipped, and what is to stop stops":
        "Does each of the questions decide about the next line alone? Are the gradients still "
        "there in on_step_end?",
    "on_train_end comes with the exception, or with False, whatever happened before":
        "Is on_train_begin inside of the `try`, are interrupts caught too, is the exception handed "
        "over and raised again? Does the end come once?",
    "a bar moves with the batches, five times a second, and is closed however the pass ends":
        "Is the total “noinfer” where no length is known, is 1 the first batch, and are comment "
        "and wait_for set before update? Is the prefix gone before the bar is closed?",
    "a LearnerCallback finds its learner and what that has, and is found by its name":
        "Is the name asked for before it is set, and may a new callback take the place of an old "
        "one? Are both done when learn is set, and not in __init__?",
    "setting what is the learner's is warned of, and a callback does not keep it alive":
        "Is it the weak reference that is kept? Are the four names warned of, and set anyway?",
    "a fit is the loop by hand: weights, validation loss and metrics":
        "Are rate and decay set before the loop, and is a decay of None the learner's own? Which "
        "loss goes to the record, and are outputs kept in the order of the loader?",
    "the table has titles and a row for each epoch, and it is closed whatever happens":
        "Is there one Recorder, also if it was given? Is the bar shown before the titles are "
        "written, and each row before the bar moves?",
    "measuring is one pass that leaves the record alone, and if it fails the end is told":
        "Does validate ask the metrics alone about the epoch, take callbacks for this once, and "
        "call on_train_end with the exception that goes on?",
    "what may be changed while it runs takes effect where it should, and only there":
        "Does `fit` bind the four names before the loop, and the loaders not? Are the rates noted "
        "when the loss is there?",
    "clipping shortens the gradient of all parameters together, before the step":
        "Is it one norm over all parameters? Does a clip of 0 or None leave them alone?",
    "one cycle has, batch by batch, the rates and momenta of the closed form":
        "Is the next value set after the batch, and only after one of training? Is a phase of no "
        "batch left out? Is the momentum put back, and none set where there is none?",
    "a search has the rates and losses of lesson 06's, and leaves no trace":
        "Does the last rate come at num_it - 1? Are both keys set at the end, and is everything in "
        "undo called?",
    "a search with rates that make no sense is refused":
        "Are all three looked at before anything is kept, and is each named with its value? Does "
        "lr_find hand over what it was given?",
    "each number of the row is what its formula says":
        "Which three numbers does the row have, and where does each come from?",
    "saving is whole or not at all, loading gives all back or changes nothing":
        "Is the file written under another name, replaced when it is whole, and removed if it "
        "isn't? Are weights and optimizer in it, and is the optimizer left alone if asked?",
    "a file that cannot be loaded changes nothing":
        "Is everything kept before the first line that changes something, and put back on any "
        "error? Are only weights loaded, and is the file looked at before it is used?",
    "frozen layer groups stay as they are, and rates spread over the groups":
        "Which number is the last group? Are the rates handed over as they came?",
    "the penalty is in the gradient and not in the record, and the loss is computed in 32 bits":
        "Is it the mean of the squares, and is the loss in it? Is the context left before the "
        "loss, and in the end?",
    "Adam with the decay callback is AdamW":
        "Is it a factor, 1 minus rate times decay, and does it come before the step?",
    "watching stops when patience is over, and the best weights come back":
        "Which way is better, and by more than min_delta? Does an epoch without a number count for "
        "nothing? Is loaded what this training has saved, and nothing else?",
    "without a number nothing is judged, and nothing comes back":
        "What is the number of an epoch without validation? Whose file would be loaded?",
}
OBJECTIVES = [
    "Students can say why a value that a callback is to change must come back to the loop, and "
    "write a loop in which each line goes on with what it gets.",
    "Students can tell for each of ten moments what is there, what may be replaced, and what an "
    "answer means.",
    "Students can give a callback access to its learner without keeping the learner alive.",
    "Students can say what may be changed while a training runs, and read off the loop why.",
    "Students can write a file whole or not at all, and load one from elsewhere without running "
    "what is in it.",
]
MOMENTS = [
    "In “A handler that can only say yes or no”, after the first cell: the callback has multiplied "
    "by ten, and the model prints one and two. Everybody writes down one line that would mend it. "
    "Collect them on the board: most write `xb *= 10`. Run the second cell, and ask where the "
    "thousand comes from, and what would happen to a photograph that is flipped in each epoch.",
    "In “What may be changed while it runs”, before the code: four questions, a show of hands for "
    "each (a rate set in on_train_begin, a rate set in on_batch_begin, another loader in the data, "
    "another DataBunch in the learner). Then half of the room reads `fit` aloud, line by line, and "
    "the other half says at each name whether it is looked up now or was before. Then run it.",
]
COMMON = [
    ("the loop calls the event and goes on with its own batch",
     ("xb, yb = handler.on_batch_begin(xb, yb)\n        out",
      "handler.on_batch_begin(xb, yb)\n        out")),
    ("a later callback's no takes back an earlier one's yes",
     ("return {keys[0]: True} if answer else {}", "return {keys[0]: bool(answer)}")),
    ("the gradients are gone before on_step_end can look at them",
     ("if not handler.on_step_end(): opt.zero_grad()",
      "opt.zero_grad()\n        handler.on_step_end()")),
    ("an interrupt ends the training without an on_train_end",
     ("""    except BaseException as failure:
        _despite(failure, handler.on_train_end, failure)
        raise
    handler""", """    except Exception as failure:
        _despite(failure, handler.on_train_end, failure)
        raise
    handler""")),
    ("the old file is overwritten, and half of the new one is left when the disk is full",
     ('part = path.with_name(f"{path.name}.{os.getpid()}.part")', "part = path")),
]
