"""What the workbook of lesson 05 adds to the lesson."""
GIVEN = (
    # The wording of an error: which spelling is proposed, and what there is.
    "ParamScheduler._unknown",
)
HINTS = {
    "annealing_no": "which of the three is the value, wherever pct is?",
    "annealing_linear": "a mixture: how much of each end is in it at pct?",
    "annealing_cos": "the straight line, at a pct that is bent first",
    "annealing_exp":
        "refuse ends that are not above 0, each of them; else the product of two powers",
    "do_annealing_poly": "the straight line again, with the other way to bend pct",
    "annealing_poly":
        "refuse what is not above 0; else do_annealing_poly with its last argument fixed",
    "Stepper.__init__": "listify, refuse, keep start, end, n_iter, func; n counts from 0",
    "Stepper.step": "count, though not beyond n_iter; then ask func at this share of all steps",
    "Stepper.is_done": "is the count at its end?",
    "sched": "an annealing function whose first two arguments are fixed: what is left to give?",
    "combine_scheds": "refuse; borders; a function of pos that asks the schedule in charge there",
    "one_cycle": "combine two cosines: which two parts, and from where to where is each?",
    "one_cycle_momentum": "as one_cycle, with the ends the other way round",
    "param_groups": "the groups where there are any; else a list of one dict",
    "hyper_names": "of the group's items, those whose value is of the right kind; then momentum",
    "get_hyper": "one entry of the group, but for momentum where there are betas",
    "set_hyper": "the same case apart; a tuple cannot be changed, so make a new one",
    "ParamScheduler.__init__": "keep both, one as a list",
    "ParamScheduler.begin_fit":
        "for each group, hyper among its names? else self._unknown(opt, names); then _pairs",
    "ParamScheduler._pairs":
        "refuse with both counts, as “3 schedules” and “2 parameter groups”; else zip",
    "ParamScheduler.begin_batch": "in training only: the fraction, then set_hyper for each pair",
}
SLIPS = {
    "each annealing function is its closed form, and hits both ends exactly":
        "Which function is it, and at which pct? Where it bends pct, is the bent one 0 at 0 and 1 "
        "at 1? Are 0 and numbers below it refused, either of them?",
    "a Stepper takes n_iter steps along its function and then stays at the end":
        "Is the first value that of step 1, not of step 0? Does the count stop at n_iter? Does a "
        "single value use annealing_no, also where a function is given?",
    "each part sees its own fraction, a border belongs to the next, 1.0 to the last":
        "How many inner borders lie at or before the position? Is the share counted from the "
        "part's own border, and divided by its own length, which may be 0?",
    "fractions that do not fit are refused, and positions outside of 0 to 1":
        "Are numbers of fractions and schedules compared both ways, and does the sum have room for "
        "a rounding error, though for no more than a millionth?",
    "one_cycle begins, peaks and ends where it says, and momentum mirrors it":
        "Are both parts cosines, and is the last value a share of lr_max, not of the first rate? "
        "Are the defaults those of the signature?",
    "every hyperparameter can be listed, read and set, and the optimizer uses it":
        "True is an int for isinstance. Does momentum go into betas where there are betas, and "
        "only there? Is the dict the optimizer's own, not a copy?",
    "ParamScheduler sets its value before each training batch, in every group":
        "Set in begin_batch, in training only, at epochs_done over epochs? Does each group get its "
        "own schedule, or all of them the one?",
    "unknown names and schedules that fit no groups are refused before training":
        "Is every group asked for its names, and are the schedules counted, in begin_fit?",
    "the fraction ends at 1 and does not shift when a pass is cut short; new groups follow":
        "Is the fraction made of epochs_done, and no more than 1? Are the groups asked for anew in "
        "every batch?",
    "batch by batch, a cosine schedule has the rates of PyTorch's CosineAnnealingLR":
        "Is the first batch at the fraction 0, and each later one 1 / T further?",
    "one_cycle is PyTorch's OneCycleLR under the mapping of steps to fractions":
        "Where do the two curves meet, and is the last value lr_max / div_final?",
}
OBJECTIVES = [
    "Students can say why one learning rate is wrong at the beginning or at the end of training, "
    "and show both on a running mean.",
    "Students can write a curve as a function of a fraction, bend its pace, and choose between "
    "steps of the same amount and steps by the same factor.",
    "Students can put several curves in a row and say which one is in charge at a border, and why "
    "the last border is not computed.",
    "Students can find, list and change the numbers of any optimizer, parameter group by parameter "
    "group, and say why `opt.lr = …` changes nothing.",
    "Students can write a callback that sets a number before each batch by the training fraction, "
    "and compare it with PyTorch's schedulers, which count steps.",
]
MOMENTS = [
    "In “1. A rate that is wrong twice”, before the first cell runs: each student writes down "
    "which of the two rates is nearer to 3 after 20 numbers, and which one after 1,000. Most are "
    "right about both, and take the low rate for the better one. Ask how far from 3 the low one "
    "still is, and why; then have everybody draw a rate that would be right at both times, before "
    "the falling line is shown.",
    "In “6. Against PyTorch's schedulers”, before the picture of ten batches: a show of hands for "
    "“the same curve” and “another one”. Then draw eleven points for ten batches on the board, and "
    "have somebody mark where each of the two puts its end. Let the class find the first two parts "
    "of the mapping from the drawing, before they read on.",
]
COMMON = [
    ("the power law bends pct the other way, and hurries where it should not",
     ("1 - (1 - pct) ** degree", "pct ** degree")),
    ("the stepper gives the value of the step before, and never arrives",
     ("return self.func(self.start, self.end, self.n / self.n_iter)",
      "return self.func(self.start, self.end, (self.n - 1) / self.n_iter)")),
    ("at a border the part that ends is still in charge",
     ("i = bisect_right(borders, pos, 1, len(pcts)) - 1",
      "i = sum(border < pos for border in borders[1:-1])")),
    ("each part of a combined schedule sees the fraction of the whole training",
     ("(pos - low) / (high - low) if high > low else 1.", "pos")),
    ("truth values are listed among the hyperparameters, since True is an int",
     ("if not isinstance(value, bool)\n             and", "if")),
    ("the scheduler counts whole epochs, so the value changes once in each",
     ("min(run.epochs_done / run.epochs, 1.)", "run.epoch / run.epochs")),
    ("values are set in validation as well",
     ("        if not run.in_train: return\n        groups", "        groups")),
]
