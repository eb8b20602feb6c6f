"""What the workbook of lesson 08 adds to the lesson."""
GIVEN = (
    # Runs while the body of _Words does.
    "_word",
    # The wording of an error: which name is proposed, and what there is.
    "_Values._check",
    # The one line that says what a wrapper is.
    "OptimWrapper.__repr__",
)
HINTS = {
    "_FromRule.step":
        "the closure's loss, with gradients on; then for each p with a gradient: decay in, move",
    "SGDMomentum.__init__": "super's, with the params and a dict of the three numbers",
    "SGDMomentum.direction": "what is left of the old velocity (0 at first), plus grad; keep it",
    "RMSProp.__init__": "super's, with the params and a dict of the four numbers",
    "RMSProp.direction": "keep the average of squares; grad over its root, and where is eps added?",
    "Adam.__init__": "super's, with the params and a dict of the four numbers",
    "Adam.direction":
        "count n; keep both averages, from 0 on; correct each by its own factor; divide",
    "_add_buffers": "RMSprop has an alpha; momentum now, a state, and no buffer: zeros like p",
    "_Shares.__init__":
        "refuse a _Shares, a class (“class SGD”), anything else by its type; else __setstate__",
    "_Shares.zero_grad": "who has the gradients to forget?",
    "_Shares.add_param_group": "whose groups are they?",
    "_Shares.state_dict": "whose state is it?",
    "_Shares.step": "buffers first; then whose step is it, and does it get the closure?",
    "_Shares.clear": "which method empties a dict, without making a new one?",
    "_Shares.load_state_dict": "note each group's part; load; put a part back where none came",
    "_Shares.__getstate__": "of vars(self), those of the three names that are there",
    "_pieces":
        "no start inside: the pair and done; parameters of its own: “no group”; else its children",
    "_find": "is it one of the modules? a name of one? else propose and list, with both names",
    "split_layers": "which pieces open a new list, and where does each of them go?",
    "_spread": "an array to a list; one value n times; refuse with “2 values” and “3 layer groups”",
    "lr_range": "no slice: _spread; refuse; a bare slice; else annealing_exp, and the end itself",
    "_in_second": "is the module one of the _BATCH_NORMS, or is bias one of the name's words?",
    "_modules": "refuse what is no module, with its type; else all of module.modules()",
    "_parted":
        "refuse; for each group two lists; a parameter known already is left out, or an error",
    "freeze_to": "refuse n with its range; which slices of the list are off, and which on?",
    "freeze": "which number stands for the last one?",
    "unfreeze": "from which group on?",
    "_Values._layers": "does this group join the list before it, or open a new one?",
    "_Values.read_val": "_check; the first part of each layer group; a pair's values, transposed",
    "_Values.set_val": "_check; a pair's columns to rows; lr by lr_range; _spread; write; read_val",
    "_Words._key": "the first of the word's keys in _KEYS that is in a group, or None",
    "_Words._read": "no key: None; else read_val, and of betas, which list?",
    "_Words.read_defaults": "for which words does _read give something?",
    "_Words.get_stat": "a word or a key; the last of each list; None stays None",
    "_Words.set_stat": "a key: set_val; None: nothing; a word: its key, spread, betas kept whole",
    "_Decays.__init__": "super's; the settings; true decay needs a place; set a wd that is given",
    "_Decays._shrink": "take the number out of the group, leave 0; shrink; give the number back",
    "_Decays.step": "no true_wd: the optimizer's; else shrink all, step, and finally put all back",
    "OptimWrapper.create":
        "two marked groups for each pair of _parted; wrap; decay 0 everywhere, then wd",
    "OptimWrapper.new":
        "numbers of the last weights; create, with self's settings; update by copies",
}
SLIPS = {
    "each rule agrees with torch.optim over a hundred steps, group by group":
        "Is the decay added to the gradient first? Are rate and state those of this group and this "
        "parameter? Does n count from 1, and is eps added after the root?",
    "defaults are PyTorch's where it has them, and a closure is called once, with gradients":
        "Is the closure called under enable_grad, before anything moves, and its loss returned?",
    "the wrapper shows what its optimizer has, before and after loading and replacing":
        "Is self.opt asked anew each time? Does clear empty the state in its place, and are opt "
        "and the settings all that goes into a pickle?",
    "momentum of RMSprop can be raised later, and after clear all begins anew":
        "Which parameters of which groups lack a buffer, and what must it be full of? Is the state "
        "emptied in its place?",
    "a wrapper can be copied and pickled, also when a scheduler is attached to it":
        "Is the step that the scheduler has put over the wrapper's left out of what is pickled?",
    "a wrapper, a class and a look-alike are refused by name":
        "A wrapper is an Optimizer too. Does the message have the class's name, and torch.optim?",
    "split_layers cuts before each start, keeps modules whole, and leaves nothing out":
        "Does a start that is taken apart hand its beginning to its first child, and to no other? "
        "Does the model itself begin the first group?",
    "rates are spread by equal factors, a bare slice gives the others a tenth":
        "Is the share i / (n − 1), and the last rate the end itself? Is a list of one value for "
        "two groups refused?",
    "biases and batch norms are apart from the weights, and each parameter is there once":
        "Is bias looked for among the words of the name? Is a parameter that was seen before in "
        "the same group left out, and in another one refused?",
    "frozen groups have no gradients and do not move, the others do":
        "Is a gradient from before forgotten in frozen groups, and only there? What do -3 and 3 "
        "mean for three groups?",
    "each word reads and writes the right number, group by group, whatever its name is":
        "Which half of betas is it, and is the other one kept? Is the last group read? What "
        "becomes of None?",
    "a word without a number is None and refuses one, and None leaves a number as it is":
        "Is None let pass before a key is looked for? Does a word that is not there go to set_val "
        "under its own name, which refuses it?",
    "read_val and set_val use the optimizer's own names, for one part of a group or for both":
        "Are both parts written unless bn_groups is False? Is a pair of lists turned into a list "
        "of pairs?",
    "what is no hyperparameter of the optimizer is refused, with a proposal and a list":
        "Are both methods' keys checked before anything is read or set? Is the length of a pair "
        "compared with the one that is there?",
    "true decay is AdamW's, group by group, and for plain SGD it is L2":
        "Is the factor 1 − lr·wd with the numbers of the same group? Is the optimizer's own decay "
        "0 during its step?",
    "decay is for what has a gradient, at its group's rate, and the number stays in the group":
        "Is p.grad asked? Is the number put back in a `finally`, and the closure's loss returned? "
        "Does a wd of 0 leave what is there?",
    "create makes two marked groups for each layer group, weights first":
        "Weights first, then the rest, both with the rate and the mark? Is a decay that the "
        "optimizer brings along set to 0, in both parts?",
    "new has the kind, the settings and the numbers of the last group, and an empty state":
        "Are the numbers those of the last layer group's first part, without what belongs to the "
        "group itself, and copied?",
    "a training that is saved and loaded goes on to the last bit":
        "Is all state the optimizer's, and are marks that are missing in the file put back?",
    "another optimizer in opt takes the next step, with its own groups and numbers":
        "Is self.opt asked anew for its groups and its step, each time?",
}
OBJECTIVES = [
    "Students can write SGD with momentum, RMSprop and Adam from memory of three ideas, a "
    "velocity, a scale and a correction, and find a slip by comparing quantity by quantity.",
    "Students can say what a picture of a path in a narrow valley shows of momentum and of "
    "scaling.",
    "Students can divide a model into layer groups, give each a rate, freeze some, and say what "
    "is won and lost.",
    "Students can explain why L2 and weight decay are one thing for SGD and two for Adam, and "
    "which weights L2 spares.",
    "Students can write an object that stands for another one and owns nothing, and say what a "
    "copy would get wrong.",
]
MOMENTS = [
    "In “1. One idea, three names”, before the first cell runs: a show of hands for each of the "
    "three optimizers, whether the momentum of 0.9 will make a difference. Most expect three "
    "times yes, or an error. After the output ask who would have noticed it in a training of an "
    "hour, and how.",
    "In “6. Decay that decays”, before the figure: write both formulas for plain SGD on the board "
    "and let the class show that they are one. Then put Adam's division around the gradient and "
    "ask which weights feel the L2 term least. Have everybody draw the two curves of the left "
    "panel before it is shown.",
]
COMMON = [
    ("the velocity takes in only a share of the gradient, as an average would",
     ('state["velocity"] = group["momentum"] * state.get("velocity", 0.) + grad',
      'state["velocity"] = group["momentum"] * state.get("velocity", 0.) '
      '+ (1 - group["momentum"]) * grad')),
    ("Adam is not corrected for the start of its averages",
     ('(state["square_avg"] / (1 - beta ** n)).sqrt() + group["eps"]',
      'state["square_avg"].sqrt() + group["eps"]')),
    ("rates are spread by equal steps instead of equal factors",
     ("annealing_exp(lr.start, lr.stop, i / (n - 1)) for i in range(n - 1)] + [lr.stop]",
      "lr.start + (lr.stop - lr.start) * i / (n - 1) for i in range(n - 1)] + [lr.stop]")),
    ("a gradient from before the freezing is left, and the next step uses it",
     ("            if not on: p.grad = None\n", "")),
    ("the optimizer decays as well, so weights shrink twice",
     ('wd, group["weight_decay"] = group.get("weight_decay", 0.), 0.',
      'wd = group.get("weight_decay", 0.)')),
    ("what has no gradient decays too, frozen layers among it",
     ('if p.grad is not None: p.mul_(1 - group["lr"] * wd)', 'p.mul_(1 - group["lr"] * wd)')),
]
