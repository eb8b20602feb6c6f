"Wrong versions of lesson 08's code, each of which the lesson's own checks must notice."
GRAD = 'grad = p.grad + group["weight_decay"] * p'
MOVE = 'p -= group["lr"] * self.direction(grad, self.state[p], group)'
CLOSURE = "            with torch.enable_grad(): loss = closure()\n"
VELOCITY = 'state["velocity"] = group["momentum"] * state.get("velocity", 0.) + grad'
ALPHA = 'state["square_avg"] = alpha * state.get("square_avg", 0.) + (1 - alpha) * grad ** 2'
ROOT = 'return grad / (state["square_avg"].sqrt() + group["eps"])'
COUNT = 'n = group["betas"], state.get("n", 0) + 1'
AVERAGE = 'state["avg"] = mom * state.get("avg", 0.) + (1 - mom) * grad'
SQUARES = 'state["square_avg"] = beta * state.get("square_avg", 0.) + (1 - beta) * grad ** 2'
SCALE = '(state["square_avg"] / (1 - beta ** n)).sqrt() + group["eps"]'
CORRECTED = 'return state["avg"] / (1 - mom ** n) / scale'
INNER = "_, *inner = module.modules()"
FIRST = "starts, begins and i == 0)"
CUT = "if begins: groups.append([])"
FIND = "if any(start is module for module in named.values()): return start"
COUNTS = "if len(values) != n:"
END = "if lr.stop is None or lr.step is not None:"
TENTH = "return [lr.stop / 10] * (n - 1) + [lr.stop]"
FACTORS = "annealing_exp(lr.start, lr.stop, i / (n - 1)) for i in range(n - 1)] + [lr.stop]"
SECOND = 'isinstance(module, _BATCH_NORMS) or "bias" in name.split("_")'
OWNED = "if owner.setdefault(p, i) != i:"
ONCE = "if p not in owner: parts"
BOTH = "[(layer_groups[:n], False), (layer_groups[n:], True)]"
FORGET = "            if not on: p.grad = None\n"
THERE = "if not -len(layer_groups) <= n <= len(layer_groups):"
ALL_BUT = '"Freeze all layer groups but the last one."\n    freeze_to(layer_groups, -1)'
ALL = '"Train all layer groups."\n    freeze_to(layer_groups, 0)'
GROUPS = "param_groups = property(lambda self: self.opt.param_groups)"
STATE = "state = property(lambda self: self.opt.state)"
MARKS = '            if part: group.setdefault("part", part)\n'
KEPT = 'if name in ("opt", "true_wd", "bn_wd")}'
JOINS = 'if layers and group.get("part") == "bn_bias": layers[-1].append(group)'
KNOWN = 'if key in group and key not in ("params", "part", "param_names"): return'
PARTS = "for group in groups if bn_groups else groups[:1]: group[key] = value"
BUFFERS = 'opt.state[p]["momentum_buffer"] = torch.zeros_like(p)'
CLEARS = "        self.state.clear()\n"
HALF = 'return self.read_val(key)[word == "beta"] if key == "betas" else self.read_val(key)'
PAIR = '(value, self._read("beta")) if name == "mom" else (self._read("mom"), value)'
LAST = "tuple(each[-1] for each in values) if isinstance(values, tuple) else (\n"
BIASES = 'bn_groups=name != "wd" or self.bn_wd)'
SHRINK = "if p.grad is not None: p.mul_(1 - group[\"lr\"] * wd)"
ZERO = 'wd, group["weight_decay"] = group.get("weight_decay", 0.), 0.'
TRUE = "if not self.true_wd: return super().step(closure)\n"
STEP = """        try: return super().step(closure)
        finally:
            for group, wd in zip(self.param_groups, decays): group["weight_decay"] = wd"""
GIVEN = "        if wd: self.wd = wd\n"
NONE = 'if wrapper.wd is not None: wrapper.set_val("weight_decay", 0.)'
DECAY = "        if wd: wrapper.wd = wd\n"
SETTINGS = "wrapper = cls(opt_func(groups, lr=rate), true_wd=true_wd, bn_wd=bn_wd)"
NUMBERS = "for group in other.param_groups: group.update(copy.deepcopy(numbers))"
KIND = "other = self.create(type(self.opt), self.lr, layer_groups, self.wd,"

MUTANTS = [
    # (exported name, text that stands once in the lesson's exported cells, wrong text)
    ("SGDMomentum", GRAD, "grad = p.grad"),
    ("SGDMomentum", GRAD, 'grad = p.grad - group["weight_decay"] * p'),
    ("SGDMomentum", MOVE, MOVE.replace("-=", "+=")),
    ("SGDMomentum", MOVE, MOVE.replace("self.state[p]", "self.state")),
    ("SGDMomentum", MOVE, MOVE.replace('group["lr"]', 'self.defaults["lr"]')),
    ("SGDMomentum", "if p.grad is None: continue", "if p.grad is None: return loss"),
    ("SGDMomentum", CLOSURE, "            loss = closure()\n"),
    ("SGDMomentum", VELOCITY, 'state["velocity"] = grad'),
    ("SGDMomentum", VELOCITY,
     VELOCITY.replace("+ grad", '+ (1 - group["momentum"]) * grad')),
    ("SGDMomentum", VELOCITY, VELOCITY.replace("+ grad", "- grad")),
    ("SGDMomentum", VELOCITY,
     'state["velocity"] = state.get("velocity", 0.) + group["momentum"] * grad'),
    ("RMSProp", ALPHA, ALPHA.replace("grad ** 2", "grad")),
    ("RMSProp", ALPHA, ALPHA.replace("(1 - alpha) * ", "")),
    ("RMSProp", ALPHA, 'state["square_avg"] = (1 - alpha) * state.get("square_avg", 0.) '
                       "+ alpha * grad ** 2"),
    ("RMSProp", ALPHA, ALPHA.replace('get("square_avg", 0.)', 'get("square_avg", grad ** 2)')),
    ("RMSProp", ROOT, ROOT.replace(".sqrt()", "")),
    ("RMSProp", ROOT, ROOT.replace('.sqrt() + group["eps"])', ' + group["eps"]).sqrt()')),
    ("RMSProp", ROOT, ROOT.replace("return grad /", "return grad.sign() /")),
    ("Adam", COUNT, COUNT.replace(" + 1", "") + " or 1"),
    ("Adam", '        state["n"] = n\n', ""),
    ("Adam", AVERAGE, 'state["avg"] = mom * state.get("avg", 0.) + grad'),
    ("Adam", AVERAGE, 'state["avg"] = grad'),
    ("Adam", SQUARES, SQUARES.replace("beta", "mom")),
    ("Adam", SQUARES, SQUARES.replace("grad ** 2", "grad")),
    ("Adam", SCALE, 'state["square_avg"].sqrt() + group["eps"]'),
    ("Adam", SCALE, '(state["square_avg"] / (1 - beta ** n) + group["eps"]).sqrt()'),
    ("Adam", SCALE, SCALE.replace("** n", "* n")),
    ("Adam", CORRECTED, 'return state["avg"] / scale'),
    ("Adam", CORRECTED, CORRECTED.replace("mom ** n", "beta ** n")),

    ("split_layers", INNER, "inner = list(module.children())"),
    ("split_layers", INNER, "inner = list(module.modules())"),
    ("split_layers", FIRST, "starts, begins)"),
    ("split_layers", FIRST, "starts, False)"),
    ("split_layers", FIRST, "starts, i == 0)"),
    ("split_layers", "    if own:\n", "    if False:\n"),
    ("split_layers", "    if own:\n", "    if not own:\n"),
    ("split_layers", CUT, "if begins and not groups: groups.append([])"),
    ("split_layers", CUT, "groups.append([])"),
    ("split_layers", f"{CUT}\n        groups[-1].append(module)",
     f"groups = groups or [[]]\n        groups[-1].append(module)\n        {CUT}"),
    ("split_layers", FIND, "if isinstance(start, nn.Module): return start"),
    ("split_layers", "get_close_matches(str(start), named, 1)", "list(named)[1:]"),
    ("lr_range", COUNTS, "if len(values) > n:"),
    ("lr_range", COUNTS, "if len(values) < n:"),
    ("lr_range", COUNTS, "if len(values) not in (1, n):"),
    ("lr_range", END, "if lr.stop is None:"),
    ("lr_range", END, "if lr.step is not None:"),
    ("lr_range", TENTH, "return [lr.stop] + [lr.stop / 10] * (n - 1)"),
    ("lr_range", TENTH, "return [lr.stop / 10] * n"),
    ("lr_range", TENTH, "return [lr.stop / 10 ** (n - 1 - i) for i in range(n)]"),
    ("lr_range", TENTH, "return [lr.stop] * n"),
    ("lr_range", FACTORS, "lr.start + (lr.stop - lr.start) * i / (n - 1) for i in range(n - 1)] "
                          "+ [lr.stop]"),
    ("lr_range", FACTORS, FACTORS.replace("i / (n - 1)", "i / n")),
    ("lr_range", FACTORS, FACTORS.replace("lr.start, lr.stop,", "lr.stop, lr.start,")),
    ("lr_range", FACTORS, FACTORS.replace("range(n - 1)] + [lr.stop]", "range(n)]")),
    ("freeze_to", BOTH, "[(layer_groups[:n], True), (layer_groups[n:], False)]"),
    ("freeze_to", BOTH, "[(layer_groups[:n], False)]"),
    ("freeze_to", BOTH, "[(layer_groups[:n + 1], False), (layer_groups[n + 1:], True)]"),
    ("freeze_to", FORGET, ""),
    ("freeze_to", FORGET, "            p.grad = None\n"),
    ("freeze_to", THERE, "if n > len(layer_groups):"),
    ("freeze_to", THERE, "if not 0 <= n <= len(layer_groups):"),
    ("freeze_to", THERE, "if not -len(layer_groups) <= n < len(layer_groups):"),
    ("freeze", ALL_BUT, ALL_BUT.replace("-1", "1")),
    ("freeze", ALL_BUT, ALL_BUT.replace("-1", "len(layer_groups)")),
    ("freeze", ALL_BUT, ALL_BUT.replace("-1", "-2")),
    ("unfreeze", ALL, ALL.replace("0)", "1)")),
    ("unfreeze", ALL, ALL.replace("0)", "-1)")),
    ("unfreeze", ALL, ALL.replace("0)", "len(layer_groups))")),

    ("OptimWrapper", SECOND, '"bias" in name.split("_")'),
    ("OptimWrapper", SECOND, 'isinstance(module, _BATCH_NORMS) or name == "bias"'),
    ("OptimWrapper", SECOND, "isinstance(module, _BATCH_NORMS)"),
    ("OptimWrapper", OWNED, "if False:"),
    ("OptimWrapper", ONCE, "if True: parts"),
    ("OptimWrapper", "if isinstance(layer_groups, nn.Module) or not layer_groups:",
     "if not layer_groups:"),
    ("OptimWrapper", "if isinstance(opt, _Shares) or not isinstance",
     "if not isinstance"),
    ("OptimWrapper", "if isinstance(opt, _Shares) or not isinstance(opt, torch.optim.Optimizer):",
     "if isinstance(opt, _Shares):"),
    ("OptimWrapper", 'self.__setstate__({"opt": opt})',
     'self.__setstate__({"opt": copy.deepcopy(opt)})'),
    ("OptimWrapper", GROUPS, GROUPS.replace(" self.opt.param_groups", " [*self.opt.param_groups]")),
    ("OptimWrapper", STATE, STATE.replace("self.opt.state", "dict(self.opt.state)")),
    ("OptimWrapper", "def state_dict(self): return self.opt.state_dict()",
     "def state_dict(self): return {'param_groups': self.param_groups}"),
    ("OptimWrapper", MARKS, "            pass\n"),
    ("OptimWrapper", MARKS, '            group["part"] = "weights"\n'),
    ("OptimWrapper", KEPT, KEPT.replace(', "true_wd", "bn_wd")', ",)")),
    ("OptimWrapper", KEPT, "}"),
    ("OptimWrapper", JOINS, "if False: pass"),
    ("OptimWrapper", JOINS, "if layers and len(layers[-1]) == 1: layers[-1].append(group)"),
    ("OptimWrapper", KNOWN, "return"),
    ("OptimWrapper", KNOWN, "if key in group: return"),
    ("OptimWrapper", PARTS, "for group in groups: group[key] = value"),
    ("OptimWrapper", PARTS, "for group in groups[:1]: group[key] = value"),
    ("OptimWrapper", BUFFERS, "pass"),
    ("OptimWrapper", BUFFERS, BUFFERS.replace("zeros_like", "ones_like")),
    ("OptimWrapper", CLEARS, "        self.zero_grad()\n"),
    ("OptimWrapper", CLEARS, "        self.opt.state = {}\n"),
    ("OptimWrapper", "values = [groups[0][key] for groups in self._layers()]",
     "values = [group[key] for group in self.param_groups]"),
    ("OptimWrapper", '"mom": ["momentum", "betas"]', '"mom": ["momentum"]'),
    ("OptimWrapper", '"beta": ["alpha", "rho", "betas"]', '"beta": ["betas"]'),
    ("OptimWrapper", HALF, HALF.replace('[word == "beta"]', "[0]")),
    ("OptimWrapper", HALF, HALF.replace('word == "beta"', 'word == "mom"')),
    ("OptimWrapper", PAIR, "(value, value)"),
    ("OptimWrapper", PAIR, '(value, self._read("beta"))'),
    ("OptimWrapper", "            values and values[-1])", "            values and values[0])"),
    ("OptimWrapper", LAST, LAST.replace("each[-1]", "each[0]")),
    ("OptimWrapper", 'if key == "lr": val = lr_range', 'if False: val = lr_range'),
    ("OptimWrapper", "        if value is None: return\n", ""),
    ("OptimWrapper", BIASES, "bn_groups=True)"),
    ("OptimWrapper", BIASES, "bn_groups=self.bn_wd)"),
    ("OptimWrapper", SHRINK, 'p.mul_(1 - group["lr"] * wd)'),
    ("OptimWrapper", SHRINK, SHRINK.replace('group["lr"] * wd', "wd")),
    ("OptimWrapper", SHRINK, SHRINK.replace('group["lr"]', "self.lr")),
    ("OptimWrapper", SHRINK, SHRINK.replace("1 -", "1 +")),
    ("OptimWrapper", ZERO, 'wd = group.get("weight_decay", 0.)'),
    ("OptimWrapper", TRUE, TRUE.replace("not ", "")),
    ("OptimWrapper", TRUE, TRUE.replace("if not self.true_wd: ", "")),
    ("OptimWrapper", STEP, "        return super().step(closure)"),
    ("OptimWrapper", STEP, """        loss = super().step(closure)
        for group, wd in zip(self.param_groups, decays): group["weight_decay"] = wd
        return loss"""),
    ("OptimWrapper", STEP, STEP.replace("return ", "")),
    ("OptimWrapper", GIVEN, "        self.wd = wd\n"),
    ("OptimWrapper", GIVEN, ""),
    ("OptimWrapper", NONE, "if False: pass"),
    ("OptimWrapper", DECAY, ""),
    ("OptimWrapper", SETTINGS, "wrapper = cls(opt_func(groups, lr=rate))"),
    ("OptimWrapper", SETTINGS, SETTINGS.replace("groups, lr=rate", "groups")),
    ("OptimWrapper", 'groups += [{"params": weights, "lr": rate, "part": "weights"},',
     'groups += [{"params": weights, "part": "weights"},'),
    ("OptimWrapper", '{"params": others, "lr": rate, "part": "bn_bias"}]',
     '{"params": others, "lr": rate}]'),
    ("OptimWrapper", NUMBERS, "pass"),
    ("OptimWrapper", KIND, KIND.replace("type(self.opt)", "torch.optim.SGD")),
    ("OptimWrapper", "in self._layers()[-1][0].items()", "in self._layers()[0][0].items()"),
]

SAME = "all groups of an optimizer have the same hyperparameters"
ANY_ORDER = "isinstance takes a tuple in any order"
NORMS = "_BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm"


def more_matches(name, line):
    "A wrong version that asks for two similar names."
    return (name, line, line.replace(", 1)", ", 2)"),
            "only the first of the names, which is the closest, is used")


EQUIVALENT = [
    # (what is changed, its lines, the changed lines, why no promise tells them apart)
    more_matches("_find", "close = get_close_matches(str(start), named, 1)"),
    more_matches("_Values._check", "close = close or get_close_matches(key, names, 1)"),
    ("_BATCH_NORMS", NORMS,
     "_BATCH_NORMS = nn.BatchNorm2d, nn.BatchNorm1d, nn.BatchNorm3d, nn.SyncBatchNorm", ANY_ORDER),
    ("_BATCH_NORMS", NORMS,
     "_BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm3d, nn.BatchNorm2d, nn.SyncBatchNorm", ANY_ORDER),
    ("_BATCH_NORMS", NORMS,
     "_BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm, nn.BatchNorm3d", ANY_ORDER),
    ("_Values._check", "group = self.param_groups[-1]", "group = self.param_groups[0]", SAME),
    ("_Values.read_val",
     "return tuple(map(list, zip(*values))) if isinstance(values[0], tuple) else values",
     "return tuple(map(list, zip(*values))) if isinstance(values[-1], tuple) else values", SAME),
    ("_Values.set_val", "layers, now = self._layers(), self.param_groups[-1][key]",
     "layers, now = self._layers(), self.param_groups[0][key]", SAME),
    ("_Words._key",
     "return next((key for key in _KEYS[word] if key in self.param_groups[-1]), None)",
     "return next((key for key in _KEYS[word] if key in self.param_groups[0]), None)", SAME),
    ("OptimWrapper.new", "numbers = {key: value for key, value in self._layers()[-1][0].items()",
     "numbers = {key: value for key, value in list(self._layers()[-1][0].items())[1:]",
     "the first entry is that of the parameters, which is left out"),
]
