"""What the workbook of lesson 06 adds to the lesson."""
GIVEN = (
    # Runs while the body of _CarefulCaller does, and holds the wording of the table.
    "_with_cancels",
    # The wording of an error: which callback raised what, and where.
    "_CarefulCaller._misplaced",
    # How a picture is drawn: matplotlib's words.
    "LRFinder.plot",
)
HINTS = {
    "_reach": "which is the first it is an instance of: three cancels, Exception, BaseException?",
    "_despite": "what fails there is raised if it reaches farther; an error that doesn't: warn",
    "_is_inside": "between which two events of the level does it stand, and which of them counts?",
    "_CarefulCaller.__call__":
        "those given, else all; on failure: _locate, _misplaced, in clean_up the rest, raise",
    "_CarefulCaller.position": "“epoch 1”, and in a pass, which batch of which pass",
    "_CarefulCaller._locate": "an exception's words are its `args`, a tuple that can be set",
    "Runner.fit": "keep, reset, listeners; then a _level, and in any case let go as lesson 04 does",
    "Runner.all_epochs": "begin_fit first; then self.epoch, and a _level, whose True ends the loop",
    "Runner.one_epoch": "the two passes, as in lesson 04; complete is False at first, True at last",
    "Runner.all_batches": "number and batch of dl; each batch a _level; finally no number, no stop",
    "Runner._level": "two `try`, one in the other: the inner for its own cancel, the outer for all",
    "StopAfterNBatches.__init__": "refuse n below 1 with “n is …” (its value); else keep it",
    "StopAfterNBatches.after_batch": "has TrainEvalCallback counted enough?",
    "TerminateOnNaNCallback.after_loss": "not finite, in training: print the line, cancel",
    "_no_number": "nothing if validation was skipped; else a ValueError, “AvgStatsCallback” in it",
    "EarlyStoppingCallback.__init__": "refuse by name and value; keep the four; sign by the name",
    "EarlyStoppingCallback.begin_fit": "best, best_epoch and wait, as at the very beginning",
    "EarlyStoppingCallback.after_epoch":
        "complete? a number? better: note, copy. Else wait; print “N epochs” (N: wait) and cancel",
    "EarlyStoppingCallback.after_fit": "is there a copy? Put it back, and keep none",
    "_keep_model": "three things: copy each now, put each back in the inner function, return that",
    "_keep_opt": "pairs of each group and its numbers; {p: its state}; put both back into the same",
    "_keep_random": "pairs of a function that sets a state, and the state; call each later",
    "_keep_all": "the three, for learn's model, its optimizer, and its training loader's generator",
    "_exploded": "is the last one finite, and how far is it above the lowest?",
    "_RateTest.__init__":
        "refuse, by value, rates that do not rise from above 0, and num_it below 2; keep all",
    "_RateTest.begin_fit": "two empty lists, undo from _keep_all; then run.epochs, rounded up",
    "_RateTest.begin_batch": "self.lr, by how many losses there are; set it in every group",
    "_RateTest.after_loss":
        "the loss as a number; append self.lr, and what is smoothed; exploded?",
    "_RateTest.after_batch": "as many as num_it? End the fit",
    "_RateTest.begin_validate": "which answer skips validation?",
    "_RateTest.after_fit": "call whatever is in undo, and leave it empty",
    "LRFinder.lowest": "min over positions, with `key`, and `default` for an empty list",
    "LRFinder.suggestion":
        "refuse where lowest is 0, with “N batches” (N: how many losses) and the rates",
    "lr_find": "a finder of kwargs; the new Runner with cbs, one or several, and it; the finder",
}
SLIPS = {
    "the exception that reaches farther goes on, the first among equals, and no error is lost":
        "Are the five kinds in order? Farther, or as far too? Which errors stand back with a "
        "warning, and does the action get its arguments?",
    "three new events stand where they happen, and each cancel is right within its own level":
        "Is begin_… of the level one of its places, and is after_cancel_… no longer one?",
    "clean-up events reach every listener, answers count, and misplaced cancels are named":
        "Do the listeners after the failing one hear of clean-up events, and of no others? Does a "
        "later answer replace a True? Is a cancel refused before the others are called?",
    "the position names the epoch and, within a pass, which batch it is of which pass":
        "Is batch 0 a batch too? None is what means that there is none. Which exceptions get the "
        "position, and which have words already?",
    "without a cancel, events, answers and weights are those of lesson 04's Runner":
        "Which line of lesson 04's loop is missing or in another place? Does True at begin_fit and "
        "after_epoch still end the fit, and is the stop cleared after each pass?",
    "a fit starts anew, with its own callbacks, and validates without gradients":
        "Are epoch, stop and stats reset, and the listeners found again, before begin_fit? Does "
        "the validation pass run under no_grad?",
    "each cancel ends its own level, and only that; its after_cancel comes once":
        "Does _level catch its own cancel and no other, call after_cancel_… and then after_… once?",
    "the promise: whatever is raised, anywhere, by anyone, all that has begun is ended":
        "Does after_… come on every way out of _level, despite what fails, and does the failure "
        "go on? Is `fit` sure to let go?",
    "an interrupt anywhere tells epoch and batch, and leaves no stop behind":
        "Is the interrupt located where the batch is still known? Are the batch's number and the "
        "stop cleared when a pass is left by an exception?",
    "of two errors on one way out the first comes out, and an error goes before a cancel":
        "Is the last event of a level called with _despite when a failure is on its way?",
    "fits end after n batches, and at a training loss that is no number, before the step":
        "Is it the fit that is cancelled? Is n reached, or passed? Is infinity a number, and a "
        "validation loss any of its business?",
    "the fit ends after `patience` epochs that are not better, with the weights of the best":
        "Which way is better? By more than min_delta, counted from the best? Is wait set back, and "
        "the copy a deep one?",
    "a number that can never come is an error; after an error, too, the best weights are back":
        "Is a broken epoch left out? Is the missing number an error in the first epoch already? "
        "Does after_fit manage without any weights?",
    "what is remembered is put back bit for bit, into the same objects":
        "Is each a copy when it is remembered? Are modes set one by one, gradients put back, the "
        "groups updated and not replaced?",
    "an optimizer is as new as it was, and goes on with the parameters that it had":
        "Is the state emptied before it is filled? Does deepcopy know the parameters, by their id?",
    "the random numbers of CUDA and MPS are put back where there are such devices":
        "Is each of the two asked whether it is available, and its state kept as a whole?",
    "after the finder everything is as before, bit for bit, also after an interrupt or an error":
        "Does begin_fit remember all three, with the loader's generator, and after_fit call each?",
    "num_it rates from start to end by equal factors, over as many epochs as needed":
        "The first rate for no losses so far, the last for num_it − 1? In all groups? Are epochs "
        "rounded up, and of one batch where no length is known?",
    "losses are smoothed, an explosion ends the search, and the suggestion follows the rule":
        "Four fifths of which value? Three times which size, and whose sign? Is what is refused "
        "named with its value?",
    "the plot has the curve, the lowest point and the suggestion, or says that there is none":
        "Is `lowest` a position, 0 for an empty list? Does lr_find run the others with the finder, "
        "and give back the finder itself?",
}
OBJECTIVES = [
    "Students can say why an answer of True cannot end a whole fit, and end a loop from inside a "
    "function that it calls by raising an exception of the right kind.",
    "Students can write a loop in which everything that began is ended, whatever is raised, and "
    "decide which of two exceptions goes on.",
    "Students can say for each event which level may be cancelled there, and which events follow.",
    "Students can stop a training that no longer improves, name each decision in that, and go back "
    "to the best weights.",
    "Students can list what a search for a learning rate changes, and put all of it back.",
]
MOMENTS = [
    "In “What has begun must be ended”, before the list of four: hand out five cards: batch, "
    "epoch, fit, ValueError and Ctrl-C. Two students draw one each; the first is on its way, and "
    "the second happens during clean-up. The class votes which one goes on, and says why. Expect "
    "agreement about Ctrl-C and two camps for an error after a cancel: ask who would ever hear of "
    "the error. Then show the table of all pairs.",
    "In “When it no longer improves”, before the first cell: everybody draws both losses over 40 "
    "epochs, for a model that learns from 200 images, and marks the epoch to stop at. Collect the "
    "marks on the board, run the cell, then ask what somebody would have needed to know in that "
    "epoch in order to stop there; the answer is patience, and a copy of the weights.",
]
COMMON = [
    ("the last event of a level stands after the `try`, so an error leaves the level open",
     ('''        try:
            try: body(*args)
            except _CANCELS[level]: self(f"after_cancel_{level}")
        except BaseException as failure:
            self._locate(failure)
            _despite(failure, self, f"after_{level}")
            raise
        return self(f"after_{level}")''',
      '''        try: body(*args)
        except _CANCELS[level]: self(f"after_cancel_{level}")
        return self(f"after_{level}")''')),
    ("a second error of the clean-up takes the place of the first, which was the cause",
     ("if _reach(other) > _reach(failure): raise", "if _reach(other) >= _reach(failure): raise")),
    ("a listener that fails keeps the others from hearing of the end",
     ("""                if event in self.clean_up:
                    _despite(wrong or failure, self, event, listeners[i + 1:])\n""", "")),
    ("the stop is an answer, True, in the place of a cancel: it means something else there",
     ("if self.run.n_iter >= self.n: raise CancelFitException",
      "return self.run.n_iter >= self.n")),
    ("the best weights are not copied, so they go on changing",
     ("copy.deepcopy(run.model.state_dict())", "run.model.state_dict()")),
    ("an accuracy that rises counts as getting worse",
     ("if self.sign * (self.best - value) > self.min_delta:",
      "if (self.best - value) > self.min_delta:")),
    ("the finder steps through num_it rates and never reaches the last",
     ("len(self.lrs) / (self.num_it - 1))", "len(self.lrs) / self.num_it)")),
]
