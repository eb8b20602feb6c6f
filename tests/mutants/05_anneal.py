"Wrong versions of lesson 05's code, each of which the lesson's own checks must notice."
LINE = "return (1 - pct) * start + pct * end"
COSINE = "(1 - math.cos(math.pi * pct)) / 2"
POSITIVE = "if start <= 0 or end <= 0:"
FACTORS = "return start ** (1 - pct) * end ** pct"
POWER = "1 - (1 - pct) ** degree"
DEGREE = "if degree <= 0: raise"
MAKES = "return partial(do_annealing_poly, degree=degree)"
FEW = "if n_iter < 1: raise"
PAIR = "if len(values) > 2 or not values:"
ENDS = "self.start, self.end = values[0], values[-1]"
FUNC = "(func or annealing_linear) if len(values) == 2 else annealing_no"
COUNT = "self.n = min(self.n + 1, self.n_iter)"
STEP = "return self.func(self.start, self.end, self.n / self.n_iter)"
FITS = "if abs(sum(pcts) - 1) > 1e-6 or min(pcts) < 0:"
LAST = "if end < min(ends[-1], 1) else 1. for"
FIND = "i = bisect_right(borders, pos, 1, len(pcts)) - 1"
OWN = "(pos - low) / (high - low) if high > low else 1."
PARTS = "return combine_scheds([pct_start, 1 - pct_start],\n"
UP = "sched(annealing_cos, lr_max / div, lr_max)"
DOWN = "sched(annealing_cos, lr_max, lr_max / div_final)"
MIRROR = "[sched(annealing_cos, high, low), sched(annealing_cos, low, high)]"
GROUPS = 'return getattr(opt, "param_groups", None) or [vars(opt)]'
IS_NUMBER = "isinstance(value, (int, float, tuple, torch.Tensor))"
ALSO = 'return names + ["momentum"] * ("betas" in group)'
READ = 'return group["betas"][0] if name == "momentum" and "betas" in group else group[name]'
WRITE = 'group["betas"] = (value, *group["betas"][1:])'
ASKS = 'if name == "momentum" and "betas" in group: group'
KNOWN = "if self.hyper not in names: self._unknown(opt, names)"
SOME = "if len(self.scheds) not in (1, len(groups)):"
TRAINS = "        if not run.in_train: return\n        groups"
POSITION = "min(run.epochs_done / run.epochs, 1.)"
SPREAD = "zip(groups, cycle(self.scheds))"
SETS = "set_hyper(group, self.hyper, sched(pos))"
BATCH = 'def begin_batch(self):\n        "Set the value'

MUTANTS = [
    # (exported name, text that stands once in the lesson's exported cells, wrong text)
    ("annealing_no", "    return start\n", "    return end\n"),
    ("annealing_no", "    return start\n", "    return pct\n"),
    ("annealing_no", "    return start\n", "    return start if pct < 1 else end\n"),
    ("annealing_linear", LINE, "return start + pct * (end - start)"),
    ("annealing_linear", LINE, "return pct * start + (1 - pct) * end"),
    ("annealing_linear", LINE, "return start - pct * end"),
    ("annealing_linear", LINE, "return (1 - pct) * (start + pct) * end"),
    ("annealing_linear", LINE, "return max(start, end) - pct * abs(end - start)"),
    ("annealing_cos", COSINE, "(1 + math.cos(math.pi * pct)) / 2"),
    ("annealing_cos", COSINE, "1 - math.cos(math.pi * pct / 2)"),
    ("annealing_cos", COSINE, "math.sin(math.pi * pct / 2)"),
    ("annealing_cos", COSINE, "(1 - math.cos(math.pi) * pct) / 2"),
    ("annealing_cos", COSINE, "1 - math.cos(math.pi * pct) / 2"),
    ("annealing_cos", COSINE, "(1 - math.cos(2 * math.pi * pct)) / 2"),
    ("annealing_cos", "return annealing_linear(start, end, (1 - math.cos",
     "return annealing_linear(end, start, (1 - math.cos"),
    ("annealing_exp", POSITIVE, "if start <= 0 and end <= 0:"),
    ("annealing_exp", POSITIVE, "if start < 0 or end < 0:"),
    ("annealing_exp", POSITIVE, "if start * end <= 0:"),
    ("annealing_exp", POSITIVE, "if start <= 0:"),
    ("annealing_exp", POSITIVE, "if False:"),
    ("annealing_exp", FACTORS, "return start * (end / start) ** pct"),
    ("annealing_exp", FACTORS, "return start ** pct * end ** (1 - pct)"),
    ("annealing_exp", FACTORS, "return start ** (1 - pct) + end ** pct"),
    ("annealing_exp", FACTORS, "return (start * end) ** pct"),
    ("annealing_exp", FACTORS, "return math.exp((1 - pct) * start + pct * end)"),
    ("do_annealing_poly", POWER, "pct ** degree"),
    ("do_annealing_poly", POWER, "(1 - pct) ** degree"),
    ("do_annealing_poly", POWER, "1 - (1 - pct) ** (1 / degree)"),
    ("do_annealing_poly", POWER, "1 - (1 - pct ** degree)"),
    ("do_annealing_poly", POWER, "1 - degree ** (1 - pct)"),
    ("do_annealing_poly", POWER, "1 - (1 - pct) * degree"),
    ("annealing_poly", DEGREE, "if degree < 0: raise"),
    ("annealing_poly", DEGREE, "if degree <= 1: raise"),
    ("annealing_poly", DEGREE, "if False: raise"),
    ("annealing_poly", DEGREE, "if not degree: raise"),
    ("annealing_poly", MAKES, "return partial(do_annealing_poly, degree=1)"),
    ("annealing_poly", MAKES, "return partial(do_annealing_poly, degree)"),
    ("annealing_poly", MAKES, "return do_annealing_poly"),
    ("annealing_poly", MAKES, "return lambda start, end, pct: end + (start - end) * pct ** degree"),
    ("Stepper", FEW, "if n_iter < 0: raise"),
    ("Stepper", FEW, "if n_iter < 2: raise"),
    ("Stepper", PAIR, "if len(values) > 2:"),
    ("Stepper", PAIR, "if not values:"),
    ("Stepper", PAIR, "if len(values) != 2:"),
    ("Stepper", "values = listify(vals)", "values = list(vals)"),
    ("Stepper", ENDS, "self.start, self.end = values[-1], values[0]"),
    ("Stepper", ENDS, "self.start, self.end = values"),
    ("Stepper", ENDS, "self.start, self.end = min(values), max(values)"),
    ("Stepper", "self.n_iter, self.n = n_iter, 0", "self.n_iter, self.n = n_iter, 1"),
    ("Stepper", "self.n_iter, self.n = n_iter, 0", "self.n_iter, self.n = n_iter, -1"),
    ("Stepper", FUNC, "func or annealing_linear"),
    ("Stepper", FUNC, "func or (annealing_linear if len(values) == 2 else annealing_no)"),
    ("Stepper", FUNC, "annealing_linear"),
    ("Stepper", FUNC, "func or annealing_no"),
    ("Stepper", COUNT, "self.n += 1"),
    ("Stepper", COUNT, "self.n = (self.n + 1) % (self.n_iter + 1)"),
    ("Stepper", COUNT, "pass"),
    ("Stepper", f"{COUNT}\n        {STEP}", f"try: {STEP}\n        finally: {COUNT}"),
    ("Stepper", STEP, "return self.func(self.start, self.end, (self.n - 1) / self.n_iter)"),
    ("Stepper", STEP, "return self.func(self.start, self.end, self.n / (self.n_iter + 1))"),
    ("Stepper", STEP, "return self.func(self.start, self.end, self.n)"),
    ("Stepper", "return self.n == self.n_iter", "return self.n > self.n_iter"),
    ("Stepper", "return self.n == self.n_iter", "return self.n == self.n_iter - 1"),
    ("Stepper", "return self.n == self.n_iter", "return self.n > 0"),
    ("Stepper", "    @property\n    def is_done", "    def is_done"),
    ("sched", "return partial(func, start, end)", "return partial(func, end, start)"),
    ("sched", "return partial(func, start, end)", "return partial(func, start)"),
    ("sched", "return partial(func, start, end)", "return func(start, end, 0)"),
    ("sched", "return partial(func, start, end)", "return partial(annealing_linear, start, end)"),
    ("combine_scheds", "if len(pcts) != len(scheds):", "if len(pcts) > len(scheds):"),
    ("combine_scheds", "if len(pcts) != len(scheds):", "if len(pcts) < len(scheds):"),
    ("combine_scheds", FITS, "if sum(pcts) != 1 or min(pcts) < 0:"),
    ("combine_scheds", FITS, "if sum(pcts) - 1 > 1e-6 or min(pcts) < 0:"),
    ("combine_scheds", FITS, "if abs(sum(pcts) - 1) > 1e-6:"),
    ("combine_scheds", FITS, "if abs(sum(pcts) - 1) > 1e-6 or min(pcts) <= 0:"),
    ("combine_scheds", "[0., *(end if", "[*(end if"),
    ("combine_scheds", LAST, "if True else 1. for"),
    ("combine_scheds", LAST, "if end < 1 else 1. for"),
    ("combine_scheds", LAST, "if end < ends[-1] else 1. for"),
    ("combine_scheds", "if not 0 <= pos <= 1: raise", "if not 0 <= pos < 1: raise"),
    ("combine_scheds", "if not 0 <= pos <= 1: raise", "if pos < 0: raise"),
    ("combine_scheds", "if not 0 <= pos <= 1: raise", "if pos > 1: raise"),
    ("combine_scheds", FIND, "i = bisect_right(borders, pos) - 1"),
    ("combine_scheds", FIND, "i = bisect_right(borders, pos, 1, len(pcts))"),
    ("combine_scheds", FIND, "i = sum(border < pos for border in borders[1:-1])"),
    ("combine_scheds", FIND, "i = int(pos * len(pcts)) - (pos == 1)"),
    ("combine_scheds", OWN, "pos"),
    ("combine_scheds", OWN, "pos - low"),
    ("combine_scheds", OWN, "pos / high if high > low else 1."),
    ("combine_scheds", OWN, "(pos - low) / (1 - low) if high > low else 1."),
    ("combine_scheds", OWN, "(pos - low) / (high - low)"),
    ("combine_scheds", OWN, "(pos - low) / (high - low) if high > low else 0."),
    ("one_cycle", "pct_start:float=0.3,  # fraction", "pct_start:float=0.25,  # fraction"),
    ("one_cycle", "div:float=25.", "div:float=10."),
    ("one_cycle", "div_final:float=1e5", "div_final:float=1e4"),
    ("one_cycle", PARTS + " " * 26 + "[sched(annealing_cos, lr_max /",
     PARTS.replace("pct_start, 1 - pct_start", "1 - pct_start, pct_start") + " " * 26
     + "[sched(annealing_cos, lr_max /"),
    ("one_cycle", UP, "sched(annealing_cos, lr_max, lr_max / div)"),
    ("one_cycle", UP, "sched(annealing_linear, lr_max / div, lr_max)"),
    ("one_cycle", UP, "sched(annealing_cos, lr_max * div, lr_max)"),
    ("one_cycle", DOWN, "sched(annealing_cos, lr_max, lr_max / div / div_final)"),
    ("one_cycle", DOWN, "sched(annealing_cos, lr_max, lr_max / div)"),
    ("one_cycle", DOWN, "sched(annealing_cos, lr_max, 0)"),
    ("one_cycle", DOWN, "sched(annealing_exp, lr_max, lr_max / div_final)"),
    ("one_cycle_momentum", MIRROR,
     "[sched(annealing_cos, low, high), sched(annealing_cos, high, low)]"),
    ("one_cycle_momentum", MIRROR,
     "[sched(annealing_cos, high, low), sched(annealing_cos, high, low)]"),
    ("one_cycle_momentum", MIRROR,
     "[sched(annealing_linear, high, low), sched(annealing_cos, low, high)]"),
    ("one_cycle_momentum", PARTS + " " * 26 + "[sched(annealing_cos, high",
     PARTS.replace("pct_start, 1 - pct_start", "0.3, 0.7") + " " * 26
     + "[sched(annealing_cos, high"),
    ("one_cycle_momentum", "high:float=0.95", "high:float=0.9"),
    ("one_cycle_momentum", "low:float=0.85", "low:float=0.8"),
    ("param_groups", GROUPS, "return opt.param_groups"),
    ("param_groups", GROUPS, "return [vars(opt)]"),
    ("param_groups", GROUPS, 'return getattr(opt, "param_groups", None) or [dict(vars(opt))]'),
    ("param_groups", GROUPS, 'return getattr(opt, "param_groups", None) or vars(opt)'),
    ("param_groups", GROUPS, 'return getattr(opt, "param_groups", [vars(opt)])[:1]'),
    ("hyper_names", "if not isinstance(value, bool)\n             and", "if"),
    ("hyper_names", IS_NUMBER, "isinstance(value, (int, float))"),
    ("hyper_names", IS_NUMBER, "isinstance(value, (int, float, tuple, list, torch.Tensor))"),
    ("hyper_names", IS_NUMBER, "isinstance(value, (int, float, tuple))"),
    ("hyper_names", IS_NUMBER, 'name != "params"'),
    ("hyper_names", ALSO, "return names"),
    ("hyper_names", ALSO, 'return names + ["momentum"]'),
    ("hyper_names", ALSO, 'return ["momentum"] * ("betas" in group) + names'),
    ("get_hyper", READ, "return group[name]"),
    ("get_hyper", READ, READ.replace("[0]", "[1]")),
    ("get_hyper", READ, READ.replace('name == "momentum" and ', "")),
    ("get_hyper", READ, READ.replace(' and "betas" in group', "")),
    ("set_hyper", WRITE, 'group["momentum"] = value'),
    ("set_hyper", WRITE, 'group["betas"] = (*group["betas"][:1], value)'),
    ("set_hyper", WRITE, 'group["betas"] = (value, *group["betas"])'),
    ("set_hyper", WRITE, 'group["betas"] = (value, value)'),
    ("set_hyper", ASKS, 'if name == "momentum": group'),
    ("set_hyper", ASKS, 'if "betas" in group: group'),
    ("ParamScheduler", "self.hyper, self.scheds = name, listify(sched)",
     "self.hyper, self.scheds = name, [sched]"),
    ("ParamScheduler", "self.hyper, self.scheds = name, listify(sched)",
     'self.hyper, self.scheds = "lr", listify(sched)'),
    ("ParamScheduler", KNOWN, "pass"),
    ("ParamScheduler", KNOWN, "self._unknown(opt, names)"),
    ("ParamScheduler", KNOWN, "if not hasattr(opt, self.hyper): self._unknown(opt, names)"),
    ("ParamScheduler", SOME, "if len(self.scheds) > len(groups):"),
    ("ParamScheduler", SOME, "if len(self.scheds) != len(groups):"),
    ("ParamScheduler", SOME, "if False:"),
    ("ParamScheduler", "get_close_matches(self.hyper, names, 1)", "names"),
    ("ParamScheduler", BATCH, BATCH.replace("begin_batch", "after_batch")),
    ("ParamScheduler", BATCH, BATCH.replace("begin_batch", "begin_epoch")),
    ("ParamScheduler", BATCH, BATCH.replace("begin_batch", "after_loss")),
    ("ParamScheduler", BATCH, BATCH.replace("begin_batch", "after_step")),
    ("ParamScheduler", TRAINS, "        groups"),
    ("ParamScheduler", TRAINS, "        if run.in_train: return\n        groups"),
    ("ParamScheduler", POSITION, "run.epochs_done / run.epochs"),
    ("ParamScheduler", POSITION, "min(run.epochs_done, 1.)"),
    ("ParamScheduler", POSITION, "run.epoch / run.epochs"),
    ("ParamScheduler", POSITION, "min(run.n_iter / (run.epochs * run.iters), 1.)"),
    ("ParamScheduler", POSITION, "min(run.epochs_done / max(run.epochs - 1, 1), 1.)"),
    ("ParamScheduler", SPREAD, "zip(groups, self.scheds)"),
    ("ParamScheduler", SPREAD, "zip(groups, cycle(self.scheds[:1]))"),
    ("ParamScheduler", SPREAD, "zip(groups[:1], cycle(self.scheds))"),
    ("ParamScheduler", SETS, "group[self.hyper] = sched(pos)"),
    ("ParamScheduler", SETS, "set_hyper(group, self.hyper, sched(run.epoch / run.epochs))"),
    ("ParamScheduler", SETS,
     "set_hyper(group, self.hyper, get_hyper(group, self.hyper) * sched(pos))"),
]

EQUIVALENT = [
    # (what is changed, its lines, the changed lines, why no promise tells them apart)
    ("combine_scheds", "if abs(sum(pcts) - 1) > 1e-6 or min(pcts) < 0:",
     "if abs(sum(pcts) - 1) >= 1e-6 or min(pcts) < 0:",
     "near 1, floats are multiples of 2**-53 apart, and 1e-6 is no such multiple"),
    ("combine_scheds", "if abs(sum(pcts) - 1) > 1e-6 or min(pcts) < 0:",
     "if abs(1 - sum(pcts)) > 1e-6 or min(pcts) < 0:",
     "a distance is the same from both sides"),
    ("combine_scheds.combined", "i = bisect_right(borders, pos, 1, len(pcts)) - 1",
     "i = bisect_right(borders, pos, 0, len(pcts)) - 1",
     "the first border is 0, and no position lies before it"),
    ("ParamScheduler._unknown", "close = get_close_matches(self.hyper, names, 1)",
     "close = get_close_matches(self.hyper, names, 2)",
     "only the first of the names, which is the closest, is used"),
]
