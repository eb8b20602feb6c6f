"""What the workbook of lesson 04 adds to the lesson."""
GIVEN = (
    # Runs while the body of _EventCaller does, and holds the wording of an error.
    "_from_learner",
    # The wording of errors and warnings: which spelling is proposed, which line is pointed to.
    "_check_callback", "Callback._not_found",
    # Texts: how a metric is called, and how averages are printed.
    "AvgStats.names", "AvgStats.__repr__",
    # They keep nothing and answer True; those with something to keep are to be written.
    "HandlerCallback.after_fit", "HandlerCallback.begin_validate", "HandlerCallback.after_epoch",
    "HandlerCallback.after_backward", "HandlerCallback.after_step",
    # They pass an event on with `ask`, and no more.
    "CallbackHandler.after_fit", "CallbackHandler.after_epoch", "CallbackHandler.begin_batch",
    "CallbackHandler.after_backward", "CallbackHandler.after_step",
    # They keep one thing, under a name that the others rely on.
    "Callback.set_runner", "Accumulate.__init__",
    # The experiment around Accumulate.
    "train_on",
)
HINTS = {
    "DataBunch.__init__": "keep what FirstDataBunch kept, except for the datasets",
    "DataBunch.train_ds": "ask the loader that is there now",
    "DataBunch.valid_ds": "the same, of the other loader",
    "Learner.__init__": "keep all four, each under its parameter's name",
    "get_model": "refuse where “data.c is None”, in these words; else Linear, ReLU, Linear, SGD",
    "HandlerCallback.begin_fit": "keep the learner; go on",
    "HandlerCallback.begin_epoch": "keep the number; go on",
    "HandlerCallback.begin_batch": "keep both; go on",
    "HandlerCallback.after_loss": "keep the loss; go on",
    "CallbackHandler.__init__": "self.cbs: a list of its own, also of a generator; empty for None",
    "CallbackHandler.ask": "call first, combine afterwards; True or False comes out",
    "CallbackHandler.begin_fit": "keep the learner, be in_train, no stop so far; then ask",
    "CallbackHandler.begin_epoch": "the model's mode, in_train; then ask",
    "CallbackHandler.begin_validate": "the model's other mode, in_train; then ask",
    "CallbackHandler.after_loss": "ask all; in validation the answer is False, whatever they say",
    "CallbackHandler.do_stop": "what learn.stop says; it is False from then on",
    "one_batch": "the lines that train, and by the table a question after each of their events",
    "all_batches": "one_batch for each; after it, has somebody asked to stop?",
    "fit": "without cb an empty handler; both passes of each epoch, the second without gradients",
    "camel2snake":
        "NaN is written Nan first; re.sub with two groups at each kind of place; lower case",
    "listify": "None first; then: is it one of those kinds, or one thing?",
    "Callback.name": "the class's name, without Callback at its end if more is left, in snake_case",
    "Callback.__getattr__": "the three questions above, in their order; at the end self._not_found",
    "Callback.__setattr__":
        "in _STATE: warn, “self.run.NAME = …” (for NAME the name itself), stacklevel=2; set it",
    "TrainEvalCallback.begin_fit": "n_iter and epochs_done are 0, on the runner",
    "TrainEvalCallback.begin_epoch": "in_train, iters, epochs_done, and the mode of the model",
    "TrainEvalCallback.after_batch": "in training: one batch more, and its part of an epoch",
    "TrainEvalCallback.begin_validate": "in_train, and the mode of the model",
    "_EventCaller.__init__":
        "one list; check, then name each; self.cbs by order; self.stats = {}; _find_listeners()",
    "_EventCaller._find_listeners":
        "set_runner for each; self.listeners: for each event its methods, in self.cbs's order",
    "_EventCaller.__call__": "refuse an unknown event; call them all; did an answer count as true?",
    "one_batch_of": "keep, ask, predict, ask, measure, ask, …; a True at any of them ends it",
    "Runner.fit":
        "keep, reset, listeners; try: stage 2's loop, with self.epoch; finally: after_fit, let go",
    "Runner.all_batches": "stopped? else one_batch, after_batch; when it is over, no stop is left",
    "Runner.one_batch":
        "one_batch_of with self for run, written out, not called: the diff below compares lines",
    "Accumulate.after_backward": "True but for every n-th batch; there, the sum becomes a mean",
    "DeviceCallback.__init__": "self.device: a torch.device, the one given, else the best there is",
    "DeviceCallback.begin_fit": "the model's parameters go there",
    "DeviceCallback.begin_batch": "both halves of the batch, where the loop will look for them",
    "_numbers": "stack tensors (shape [] or [1]), fetch them with one call; else float() of each",
    "AvgStats.__init__": "a list of metrics, in_train, and a reset",
    "AvgStats.reset": "totals (a zero for the loss and for each metric), count, batches, sizes",
    "AvgStats.accumulate":
        "note [loss, *metrics], detached, and the size; count the samples; fold at 256",
    "AvgStats._fold": "column by column: numbers times sizes, onto the totals; an empty buffer",
    "AvgStats.avg_stats": "fold first; then totals over count, or nan for each",
    "AvgStatsCallback.__init__": "two AvgStats, train_stats and valid_stats; and quiet",
    "AvgStatsCallback.begin_epoch": "forget the epoch before, in both",
    "AvgStatsCallback.after_loss": "which of the two is it for?",
    "AvgStatsCallback.after_epoch":
        "run.stats, a new dict, by the names above; unless quiet, print those that have samples",
}
SLIPS = {
    "datasets follow a replaced loader, and get_model fits the data and its optimizer":
        "Does each property ask its own loader, anew? In get_model: are n_in, nh and data.c in "
        "their places, and model and optimizer in this order?",
    "every method of a HandlerCallback keeps what it is given, and answers True":
        "Is each thing kept as it came, under its parameter's name, and is there a return?",
    "the handler asks everyone, in order, and makes one answer; do_stop is cleared by reading":
        "Is each callback called before its answer is combined? Is self.cbs a list, also when cbs "
        "is a generator? Is in_train set in begin_fit too?",
    "everyone hears every event, and False at each event does what the table says":
        "Which line of the table is it? Is that question asked in its place, and what does a no "
        "keep from happening?",
    "fit trains as the bare fit does, callbacks get what they should, stop ends one pass":
        "Are the four lines of training all there? When is do_stop read: before a batch, after it, "
        "or not at all?",
    "a no after_backward keeps the weights and adds up gradients, after_step it keeps gradients":
        "After a no at after_backward, neither step nor reset; after a no at after_step, no reset.",
    "camel2snake undoes joining words and knows acronyms":
        "Where exactly does an underscore go: before which capital? And what is NaN?",
    "listify keeps whole what is one thing, and makes a new list of several":
        "Which kinds of things does it open? None is nothing; 0 and False are things. A list "
        "comes back as a new one.",
    "attributes come from the callback, then its runner; messages name the right thing":
        "Which of the three questions is missing, or too late? Does __setattr__ warn of the "
        "name that is set? Does it call itself?",
    "a callback's name is its class's in snake_case, without Callback at the end":
        "What is left of a class that is called Callback, and of one that only begins so?",
    "TrainEvalCallback switches the mode and counts training batches, also in epochs":
        "Written on the runner, not on the callback? Training batches only? A part of an epoch is "
        "one over iters.",
    "everyone who listens to an event is called, in order; one True makes the answer True":
        "Does a True end the loop, or the last answer replace the others? Is the class asked who "
        "listens? An unknown event: ValueError?",
    "the constructor sorts callbacks by order, names them, and adds the one that counts":
        "Who is in the list, and in which order, before it is sorted? A name is given once, after "
        "the check.",
    "one batch asks in order, stops where it is told, and goes on with what callbacks left":
        "After each question: what is on run counts, not xb and yb. A True ends the batch.",
    "a Runner trains to exactly the weights of the bare fit, and counts batches and epochs":
        "Which line of the loop is missing or in another place? Are epoch, epochs and the "
        "listeners set, and after_batch called?",
    "what callbacks write on the runner and on the learner is what the loop goes on with":
        "Is something read before the question that may change it: xb, pred, the loss, the loader?",
    "True at each event does what the table says, and everyone hears every event, in order":
        "Which event is it? What should a True skip there, and what comes all the same?",
    "True at after_backward keeps weights and gradients, at after_step gradients only":
        "Does the batch end at each of the two, before the line that comes next?",
    "after_fit always runs, the Runner lets go, validation keeps no gradients":
        "What if a callback raises an error, and what if after_fit does? What is let go of, when?",
    "taken names and things that are no callbacks are refused; unknown events get a warning":
        "Does _check_callback see every callback, directly from the constructor, before its name "
        "is given?",
    "callbacks of both arguments, in order; the first of a class has the name; state is known":
        "Does the Runner hold something of yours that is not in _STATE? A leading underscore "
        "keeps it private.",
    "run.stop ends the pass in which it is set; the next passes and the next fit run whole":
        "Is stop looked at before each batch, and cleared after every pass? What does a new fit "
        "find there?",
    "four accumulated batches of 16 train like one of 64":
        "Which batches take the step (n_iter counts those that are over), and are the gradients "
        "averaged before it?",
    "model and batch are moved, the runner's own, before other callbacks see them":
        "Moved, but written where? And which device comes first where there are several?",
    "averages over ragged batches equal the float64 means, and nothing of the graph is kept":
        "Is each number weighted, each batch folded once, each tensor detached? Is one of shape "
        "[1] a number? Is `count` kept up to date?",
    "printed and stored averages are those of a loop by hand; an empty pass is left out":
        "Is each batch counted in its own pass, both reset in every epoch, run.stats a new dict? "
        "In the line: two spaces after the number?",
}
OBJECTIVES = [
    "Students can say what a caller cannot do to a loop that takes six arguments, and how one "
    "object that the loop asks again each time changes that.",
    "Students can turn a training loop into one that asks callbacks at every step, and say for "
    "each event what the answer skips.",
    "Students can combine the answers of several callbacks so that everyone hears every event.",
    "Students can write a callback of their own: which event, which answer, what to read, and "
    "where to write so that the loop goes on with it.",
    "Students can keep averages of a loss over batches of different sizes, without keeping graphs "
    "and without waiting for the device in every batch.",
]
MOMENTS = [
    "In “2. Somebody to ask at every step”, before the cell with Objector and Counter: two "
    "students play the callbacks, a third is `all` and asks them one after the other, first in one "
    "order, then in the other. The class says when `all` may stop asking. The one who was not "
    "asked is the point: ask what it means when that one is the statistics.",
    "In “Gradient accumulation”, before its second paragraph: at which event must the callback say "
    "True? Collect votes for after_loss, after_backward and after_step. Most choose after_step, "
    "because it is zero_grad that must not happen. Let one of them read one_batch aloud from "
    "backward on, with the answer True, and stop at the line that takes the step.",
]
COMMON = [
    ("the handler stops asking at the first False, so that later callbacks hear nothing",
     ("res = bool(getattr(cb, event)(*args)) and res",
      "res = res and bool(getattr(cb, event)(*args))")),
    ("fit returns when after_epoch says no, and after_fit never comes",
     ("if not cb.after_epoch(): break\n    cb.after_fit()",
      "if not cb.after_epoch(): return\n    cb.after_fit()")),
    ("a property's own AttributeError is passed on to the runner, under the property's name",
     ("        if hasattr(type(self), name): return object.__getattribute__(self, name)\n", "")),
    ("the Runner's call stops at the first True: any() over a generator",
     ("""        answer = False
        for listener in self.listeners[event]:
            if listener(): answer = True
        return answer""",
      "        return any(listener() for listener in self.listeners[event])")),
    ("the prediction is made from the argument xb, not from what a callback has left on the runner",
     ("self.pred = self.model(self.xb)", "self.pred = self.model(xb)")),
    ("the statistics note tensors with their graphs",
     ("v.detach() if torch.is_tensor(v) else v for v in values", "v for v in values")),
]
