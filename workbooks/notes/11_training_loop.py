"""What the workbook of lesson 11 adds to the lesson."""
GIVEN = (
    # HTML and its words.
    "_Html", "_event_html",
    # How a value is put into words.
    "_words",
    # How pictures are drawn: matplotlib's words.
    "_draw_lanes", "Trace.plot", "TimeShares.plot",
)
HINTS = {
    "_batch_events": "a slice of the table's names; which of them are for gradients alone?",
    "_steps":
        "walk EVENTS: before_ opens a level, after_cancel_ closes it; where do batches belong?",
    "_name": "whose method is it, if anybody's?",
    "_about": "what inspect finds, or nothing; and how do several lines become one?",
    "_lines": "for each step: a line, an event with names, or an event with lines below it?",
    "Learner.show_training_loop": "what has to be true only while the lines are made?",
    "Learner.loop_tree":
        "for each step: a tag that opens, one that closes, or an event's own HTML",
    "_marks":
        "a tensor: which three things? a dict and a list: of each part; else value or object?",
    "_look":
        "own attributes to be seen, hypers of all groups, mode, weights, gradients; then marks",
    "_is_same": "lists of one length: part by part; a tensor: the object itself",
    "_changes": "whose marks are different? and is it the same object in spite of that?",
    "_step_name": "first zero_grad; then the loader that is asked in vain; else the table",
    "_Recording.__init__": "keep both; no spans, depth, lost time or last event; and a first look",
    "_Recording.now": "is there a device to wait for? and which time does not count?",
    "_Recording.begin": "from start, or now; keep the span; what follows lies one deeper",
    "_Recording.end": "when, at which depth does it go on, and what is different now?",
    "_Recording.look":
        "nothing if it is not to look; else compare, keep, and note the time it took",
    "_Recording.step_until": "begin where the last event ended, with its name, and end at once",
    "_Timed.__init__": "keep both; whose method would somebody find who asks?",
    "_Timed.__call__": "a span around the call, which ends also when the call fails",
    "_Traced.__call__":
        "given listeners? else the step before it, listeners timed, and a span around",
    "_Traced._level": "a span from where the last event ended; the level as ever; its end is noted",
    "_FirstBatches.__init__": "keep both",
    "_FirstBatches.__iter__": "how does one take a few, and not ask for one more?",
    "_FirstBatches.__len__": "the smaller number; and if the loader does not know its own?",
    "_copied": "deepcopy with memo; and if that fails?",
    "_copies":
        "who is shared? a shallow twin of each; then copy what is in it, with one memo",
    "_rehearse":
        "remember everything; run with copies, few batches and another class; put all back",
    "Trace.__repr__": "how do lines become a text?",
    "Trace.lines": "levels by name; calls, and steps that changed something: what, who, changes",
    "Trace.to_json":
        "a dict for each span that has a name: where it begins, how long, what changed",
    "Learner.trace": "a rehearsal, recorded as what?",
    "TimeShares.__init__": "a dict like any other, and one number beside it",
    "_Stopwatch.__init__": "as the base does, but for one thing",
    "_Stopwatch.shares":
        "refuse without “train”; add up what lies in it; who counts for the loop?",
    "Learner.where_time_goes": "how many batches of validation does one need for that?",
    "_course_callbacks": "import each module; which of what it exports has a Callback above it?",
    "_methods": "names that begin like events, of bases first; then what the class has for each",
    "explain": "refuse, with what was meant; then the table's words, and a line for each user",
    "callbacks_page": "two rows of a head, then one for each callback, StepThrough last",
    "_stop_at":
        "a method: is it asked to stop, and visible? names at hand, the place, breakpoint()",
    "StepThrough.__new__": "a new class below this one, with a method for each event",
    "StepThrough.__init__": "refuse no event and unknown ones by what was given; keep `when`",
}
SLIPS = {
    "the listing has the events of a real fit, in their order":
        "Does a level close at its after_cancel_… event, before that is listed? Do the events of "
        "a batch follow before_train and before_validate, one deeper?",
    "the listing is the loop, indented, with the listeners of each event in their order":
        "Which of the two tables of listeners is meant? Two spaces for each depth, one more "
        "before the dash? Is a docstring of several lines one line?",
    "the tree nests as the loop does, and nothing in it is taken for HTML that is not":
        "Is each level closed where it ends, and are the callbacks added for this tree only?",
    "what was set or changed is seen, in place or not, and nothing else":
        "Are the old and the new marks compared, and for the verb the objects? Are all groups of "
        "the optimizer asked?",
    "what is only alike has been set, what was changed in place is noticed":
        "Which of identity, version and sum tells of this change? Which tensors have no version?",
    "equal numbers are no change, other values are, and what is no value is not looked at":
        "Are numbers and texts compared as they are, and other objects by who they are? Which "
        "names are not to be seen?",
    "a trace has every event, call and step of a real run, nested and in order":
        "Does each span end, and at its own depth? Does a level begin where the last event ended? "
        "Are there only the first batches?",
    "a trace reads as what happened, line by line":
        "Which steps are shown, and how deep? Is `seen` renewed at each look?",
    "a trace of a fit that is cut short is whole as well":
        "Does a span end when the call fails? Are listeners that are given called as they are? "
        "Which event makes zero_grad of a step?",
    "every span lasts as long as what it stands for, and to look takes no time":
        "Is the time of every look added to `lost`, and taken off in `now`? From where to where "
        "does a step last? Does the clock wait for a device?",
    "the picture has each step and each call in its lane, to scale, and each batch shaded":
        "Do the spans begin and end where their calls do?",
    "the picture's axes, names and legend tell what is where, and hide nothing":
        "Do the spans begin and end where their calls do, also when nothing ran?",
    "a trace leaves no trace, whether it ends well or not":
        "Is all put back in `finally`: class, attributes, model, optimizer, random numbers? Do "
        "copies run, and no Checkpoint?",
    "what runs in a trace is a copy of each callback, around the same learner":
        "Does memo know learner, optimizer, modules and parameters? Is each attribute copied by "
        "itself, and one that cannot be copied shared?",
    "by the still clock, each second is counted for the part that took it, and none is lost":
        "Which spans lie in the training pass? A callback's time lies in its event's: is it "
        "counted once?",
    "the bars of the shares have their names, colours and percents":
        "Is `wall` the length of the training pass, and the loop the last part?",
    "the parts add up to the whole, and the slow ones are found":
        "Is a callback's time counted in its event as well? Has each part its place, at 0 before "
        "it is measured?",
    "an event is explained by the table and by those who use it, bases included":
        "Are inherited methods found? Is the docstring the method's own? What if nothing is close?",
    "StepThrough stops at the chosen events only, when it is asked to, with all at hand":
        "Has each object a class of its own? Are the five names variables where it stops? Is an "
        "empty list refused?",
    "a copy stops at the same events, and a trace, which is silent, is not stopped":
        "A copy is made without arguments: are there defaults? How does one know that the learner "
        "is being traced?",
    "the page has all callbacks of all lessons and no others, each with its events":
        "Does a Callback stand above the class, and not the class itself? What is said of one "
        "that has no event?",
    "who stands in the listing at an event is called there, in that order, and nobody else":
        "Do listing and trace read the same table of listeners, that of the pass that is running?",
}
OBJECTIVES = [
    "Students can say for any learner which callbacks are called at an event, in which order, and "
    "change that order.",
    "Students can find out what a callback changes by running it, and tell a tensor that was "
    "replaced from one that was changed in place.",
    "Students can measure a loop from outside, by wrapping what it calls, and leave everything as "
    "it was.",
    "Students can name the part of a training that takes most of the time, and say how they know.",
    "Students can stop a training at any event and look at the tensors that are there.",
]
MOMENTS = [
    "In “Who runs when?”, before the first cell: hand out cards, TrainEvalCallback with −10, "
    "Recorder with 5, ProgressCallback with 8, StopsEarly with 0. Four students line up by their "
    "numbers; the teacher calls out events, and each says what they write down or read. At "
    "after_epoch, StopsEarly has nothing to read. Ask which number would help, then run the cells.",
    "In “Where does the time go?”, before the first bars: everybody writes down the order of data, "
    "forward, loss, backward, step and callbacks, by time, for this small model. Collect the "
    "orders on the board, run the cell, and ask what would change with a model a hundred times as "
    "large, and what with images that have to be read from a disk.",
]
COMMON = [
    ("a call that fails never ends its span, so all that follows seems to lie inside of it",
     ("try: self.listener()\n        finally: self.recording.end(span)",
      "self.listener()\n        self.recording.end(span)")),
    ("the time of looking is not taken off, and every step seems to take as long as a look",
     ("return time.perf_counter() - self.lost", "return time.perf_counter()")),
    ("a tensor is known by its identity alone, so what changes in place is not seen",
     ("return id(value), version, repr(value.sum().item())", "return id(value)")),
    ("the model is put back, and the random numbers go on from where the trace left them",
     ("        _set_random_state(learn, random_state)\n", "")),
    ("a callback's time is counted for it and for the event around it",
     ('            if span.kind == "callback": parts["the loop"] -= seconds',
      '            if span.kind == "callback": parts["the loop"] -= 0.')),
    ("the methods are put on StepThrough itself, so the next one stops at the first one's events",
     ("return super().__new__(type(cls.__name__, (cls,), methods))",
      "for event in methods: setattr(cls, event, methods[event])\n"
      "        return super().__new__(cls)")),
]
