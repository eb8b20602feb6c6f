"Wrong versions of lesson 06's code, each of which the lesson's own checks must notice."
REACH = "kinds = *_CANCELS.values(), Exception, BaseException"
FARTHER = "if _reach(other) > _reach(failure): raise"
SHOWN = "if _reach(other) > 2:"
INSIDE = "return begin <= events.index(event) < end"
REST = """                if event in self.clean_up:
                    _despite(wrong or failure, self, event, listeners[i + 1:])
"""
ENDS = "            except _CANCELS[level]: self(f\"after_cancel_{level}\")\n"
LEVEL = '''        try:
            try: body(*args)
            except _CANCELS[level]: self(f"after_cancel_{level}")
        except BaseException as failure:
            self._locate(failure)
            _despite(failure, self, f"after_{level}")
            raise
        return self(f"after_{level}")'''
LET_GO = "finally: self.learn = self.xb = self.yb = self.pred = self.loss = None"
VALIDATES = '''        with torch.no_grad():
            if not self("begin_validate"): self.all_batches(self.data.valid_dl)
        self.complete = True'''
SET = "for group in param_groups(self.run.opt): set_hyper(group, \"lr\", self.lr)"
SMOOTH = "0.8 * self.losses[-1] + 0.2 * loss if self.losses else loss"
EPOCHS = "math.ceil(self.num_it / max(1, length_hint(run.data.train_dl)))"
BETTER = "if self.sign * (self.best - value) > self.min_delta:"
COPY = "copy.deepcopy(run.model.state_dict())"
PUT_BEST = "if best: self.run.model.load_state_dict(best)"
RUN = "Runner([*listify(cbs), finder]).fit(1, learn)"
CLEAN = 'clean_up = {f"{end}_{level}" for level in _CANCELS for end in'
AFTER = "# after AvgStatsCallback, which leaves the numbers in run.stats"
FIRST = "order, lrs, losses, undo = {}, (), (), ()"
BETWEEN = "only its place among the orders of other callbacks counts, and none is so close"


def other_base(level, base):
    "One of the three exceptions, with another base class."
    name = f"Cancel{level}Exception"
    return name, f"class {name}(Exception):", f"class {name}({base}):"


MUTANTS = [
    # (exported name, text that stands once in the lesson's exported cells, wrong text)
    other_base("Batch", "BaseException"), other_base("Batch", "RuntimeError"),
    other_base("Batch", "StopIteration"),
    other_base("Epoch", "BaseException"), other_base("Epoch", "CancelBatchException"),
    other_base("Epoch", "KeyboardInterrupt"),
    other_base("Fit", "BaseException"), other_base("Fit", "CancelEpochException"),
    other_base("Fit", "CancelBatchException"),
    ("CancelFitException", '"epoch": CancelEpochException, "fit": CancelFitException}',
     '"epoch": CancelFitException, "fit": CancelEpochException}'),

    ("Runner", LEVEL, '        body(*args)\n        return self(f"after_{level}")'),
    ("Runner", LEVEL, '''        try: body(*args)
        except _CANCELS[level]: self(f"after_cancel_{level}")
        return self(f"after_{level}")'''),
    ("Runner", LEVEL, LEVEL.replace(ENDS, "            except _CANCELS[level]: pass\n")),
    ("Runner", LEVEL, LEVEL.replace(ENDS, "            except Exception: "
                                          "self(f\"after_cancel_{level}\")\n")),
    ("Runner", LEVEL, LEVEL.replace("            raise\n", "")),
    ("Runner", LEVEL, LEVEL.replace("            raise\n        return self",
                                    "            raise\n        finally: return self")),
    ("Runner", LEVEL, LEVEL.replace("BaseException", "Exception")),
    ("Runner", LEVEL, LEVEL.replace("            self._locate(failure)\n", "")),
    ("Runner", LEVEL, LEVEL.replace("_despite(failure, self, f\"after_{level}\")",
                                    "self(f\"after_{level}\")")),
    ("Runner", LEVEL, LEVEL.replace("        return self(f\"after_{level}\")",
                                    "        self(f\"after_{level}\")")),
    ("Runner", LEVEL, '''        try:
            try: body(*args)
            except BaseException as failure:
                self._locate(failure)
                _despite(failure, self, f"after_{level}")
                raise
            return self(f"after_{level}")
        except _CANCELS[level]: self(f"after_cancel_{level}")'''),
    ("Runner", LEVEL, '''        try: body(*args)
        except _CANCELS[level]: self(f"after_cancel_{level}")
        finally: answer = self(f"after_{level}")
        return answer'''),
    ("Runner", REACH, "kinds = *list(_CANCELS.values())[::-1], Exception, BaseException"),
    ("Runner", REACH, "kinds = Exception, *_CANCELS.values(), BaseException"),
    ("Runner", FARTHER, "raise"),
    ("Runner", FARTHER, FARTHER.replace(">", ">=")),
    ("Runner", FARTHER, FARTHER.replace(">", "<")),
    ("Runner", SHOWN, "if False:"),
    ("Runner", SHOWN, "if _reach(other) > 3:"),
    ("Runner", "    try: action(*args)\n    except BaseException as other:",
     "    try: action(*args)\n    except Exception as other:"),
    ("Runner", 'if level in _CANCELS: yield f"after_cancel_{level}", '
     'f"nothing: the {level} was cancelled"\n        yield event, answer',
     'yield event, answer\n        if level in _CANCELS: yield f"after_cancel_{level}", '
     'f"nothing: the {level} was cancelled"'),
    ("Runner", INSIDE, "return begin <= events.index(event)"),
    ("Runner", INSIDE, INSIDE.replace("< end", "<= end")),
    ("Runner", INSIDE, INSIDE.replace("begin <=", "begin <")),
    ("Runner", INSIDE, "return True"),
    ("Runner", REST, ""),
    ("Runner", REST, REST.replace("if event in self.clean_up:\n                    _", "_")),
    ("Runner", REST, REST.replace("i + 1", "i")),
    ("Runner", REST, REST.replace("event in self.clean_up", "event == 'after_fit'")),
    ("Runner", REST, REST.replace("_despite(wrong or failure, self, event, listeners[i + 1:])",
                                  "self(event, listeners[i + 1:])")),
    ("Runner", "wrong = self._misplaced(failure, event, listener)", "wrong = None"),
    ("Runner", "if listener(): answer = True", "answer = bool(listener())"),
    ("Runner", "if listener(): answer = True", "if listener(): return True"),
    ("Runner", "if listener(): answer = True", "answer = answer or bool(listener())"),
    ("Runner", "if listener(): answer = True", "answer = answer or listener()"),
    ("Runner", "raise wrong from failure", "raise wrong from None"),
    ("Runner", "if wrong: raise wrong from failure\n", ""),
    ("Runner", 'mode = "training" if self.in_train else "validation"', 'mode = "training"'),
    ("Runner", "isinstance(failure, KeyboardInterrupt) and not failure.args",
     "isinstance(failure, KeyboardInterrupt)"),
    ("Runner", "isinstance(failure, KeyboardInterrupt) and not failure.args", "not failure.args"),
    ("Runner", 'try: self._level("fit", self.all_epochs)\n        ' + LET_GO,
     'self._level("fit", self.all_epochs)\n        ' + LET_GO.removeprefix("finally: ")),
    ("Runner", LET_GO, "finally: self.learn = None"),
    ("Runner", "self.epoch, self.stop, self.stats = 0, False, {}",
     "self.stop, self.stats = False, {}"),
    ("Runner", "        self._find_listeners()\n        try: self._level",
     "        try: self._level"),
    ("Runner", 'if self("begin_fit"): return', 'self("begin_fit")'),
    ("Runner", "for epoch in range(self.epochs):", "for epoch in range(1, self.epochs + 1):"),
    ("Runner", 'if self._level("epoch", self.one_epoch): break',
     'self._level("epoch", self.one_epoch)'),
    ("Runner", VALIDATES, VALIDATES.replace("        self.complete = True",
                                            "            self.complete = True").replace(
                                                "with torch.no_grad():", "if True:")),
    ("Runner", "        self.complete = False\n", ""),
    ("Runner", "        self.complete = False\n", "        self.complete = True\n"),
    ("Runner", "finally: self._batch, self.stop = None, False",
     "except (): pass\n        else: self._batch, self.stop = None, False"),
    ("Runner", "finally: self._batch, self.stop = None, False", "finally: self._batch = None"),
    ("Runner", "                if self.stop: break\n", ""),
    ("Runner", 'self._level("batch", self.one_batch, xb, yb)', "self.one_batch(xb, yb)"),

    ("StopAfterNBatches", "if self.run.n_iter >= self.n:", "if self.run.n_iter > self.n:"),
    ("StopAfterNBatches", "if self.run.n_iter >= self.n:", "if self.run.n_iter + 1 >= self.n:"),
    ("StopAfterNBatches", "if self.run.n_iter >= self.n: raise CancelFitException",
     "if self.run.n_iter >= self.n: raise CancelEpochException"),
    ("StopAfterNBatches", "if self.run.n_iter >= self.n: raise CancelFitException",
     "self.run.stop = self.run.n_iter >= self.n"),
    ("StopAfterNBatches", "if self.run.n_iter >= self.n: raise CancelFitException",
     "return self.run.n_iter >= self.n"),
    ("StopAfterNBatches", "if n < 1: raise", "if n < 0: raise"),

    ("TerminateOnNaNCallback", "math.isfinite(loss := run.loss.item())",
     "not math.isnan(loss := run.loss.item())"),
    ("TerminateOnNaNCallback", "math.isfinite(loss := run.loss.item())",
     "not math.isinf(loss := run.loss.item())"),
    ("TerminateOnNaNCallback", "math.isfinite(loss := run.loss.item())",
     "(loss := run.loss.item()) < math.inf"),
    ("TerminateOnNaNCallback", "if not run.in_train or math", "if math"),
    ("TerminateOnNaNCallback", 'learning rate {lr:g}; the fit ends")\n'
     "        raise CancelFitException",
     'learning rate {lr:g}; the fit ends")\n        raise CancelEpochException'),
    ("TerminateOnNaNCallback", 'learning rate {lr:g}; the fit ends")\n'
     "        raise CancelFitException",
     'learning rate {lr:g}; the fit ends")\n        return True'),
    ("TerminateOnNaNCallback", 'def after_loss(self):\n        "Look at the loss;',
     'def after_step(self):\n        "Look at the loss;'),

    ("EarlyStoppingCallback", BETTER, BETTER.replace(">", ">=")),
    ("EarlyStoppingCallback", BETTER, BETTER.replace("self.sign * ", "")),
    ("EarlyStoppingCallback", BETTER, BETTER.replace("> self.min_delta", "> -self.min_delta")),
    ("EarlyStoppingCallback", BETTER, "if not self.sign * (self.best - value) <= self.min_delta:"),
    ("EarlyStoppingCallback", "        if not run.complete: return\n", ""),
    ("EarlyStoppingCallback", COPY, "run.model.state_dict()"),
    ("EarlyStoppingCallback", COPY, "dict(run.model.state_dict())"),
    ("EarlyStoppingCallback", COPY, "copy.copy(run.model.state_dict())"),
    ("EarlyStoppingCallback", "        else: self.wait += 1\n", "        self.wait += 1\n"),
    ("EarlyStoppingCallback", "self.best, self.best_epoch, self.wait = value, run.epoch, 0",
     "self.best, self.best_epoch = value, run.epoch"),
    ("EarlyStoppingCallback", "if self.wait >= self.patience:", "if self.wait > self.patience:"),
    ("EarlyStoppingCallback", "return self.best_epoch is None and _no_number("
     "self.monitor, run.stats)", "return _no_number(self.monitor, run.stats)"),
    ("EarlyStoppingCallback", "return self.best_epoch is None and _no_number("
     "self.monitor, run.stats)", "return"),
    ("EarlyStoppingCallback", 'if stats and "valid_loss" not in stats: return',
     'if "valid_loss" not in stats: return'),
    ("EarlyStoppingCallback", 'if stats and "valid_loss" not in stats: return', "if stats: return"),
    ("EarlyStoppingCallback", "order = 10  ", "order = -1  "),
    ("EarlyStoppingCallback", PUT_BEST, "self.run.model.load_state_dict(best)"),
    ("EarlyStoppingCallback", PUT_BEST, "pass"),
    ("EarlyStoppingCallback", "best, self.best_weights = self.best_weights, None",
     "best = self.best_weights"),
    ("EarlyStoppingCallback", "    best_weights = None  # until there are some\n", ""),
    ("EarlyStoppingCallback", "patience < 1 or min_delta < 0", "patience < 0 or min_delta < 0"),
    ("EarlyStoppingCallback", 'if "loss" in monitor or "error" in monitor else -1',
     'if "loss" in monitor else -1'),

    ("LRFinder", "for put_back in self.undo: put_back()\n        self.undo = ()",
     "for put_back in self.undo: put_back()"),
    ("LRFinder", "for put_back in self.undo: put_back()", "pass"),
    ("LRFinder", "for put_back in self.undo: put_back()", "for put_back in self.undo: put_back"),
    ("LRFinder", "weights = copy.deepcopy(model.state_dict())", "weights = model.state_dict()"),
    ("LRFinder", "weights = copy.deepcopy(model.state_dict())",
     "weights = copy.deepcopy(dict(model.named_parameters()))"),
    ("LRFinder", "for module, mode in modes: module.training = mode", "model.train()"),
    ("LRFinder", "for p, grad in grads: p.grad = grad", "model.zero_grad()"),
    ("LRFinder", "None if p.grad is None else p.grad.clone()", "p.grad"),
    ("LRFinder", "group.update(numbers)", "group = numbers"),
    ("LRFinder", "memory = {p: copy.deepcopy(each) for p, each in state.items()}",
     "memory = dict(state)"),
    ("LRFinder", "        state.clear()\n", ""),
    ("LRFinder", "        state.update(memory)\n", ""),
    ("LRFinder", 'getattr(opt, "state", {})', "opt.state"),
    ("LRFinder", "copy.deepcopy(value, dict(own))", "copy.deepcopy(value)"),
    ("LRFinder", "copy.deepcopy(value, dict(own))", "value"),
    ("LRFinder", "(torch.set_rng_state, torch.get_rng_state()), ", ""),
    ("LRFinder", "if generator is not None: states.append("
     "(generator.set_state, generator.get_state()))", "pass"),
    ("LRFinder", "_keep_random(generator)]", "_keep_random()]"),
    ("LRFinder", "> 3 * abs(best)", "> 3 * best"),
    ("LRFinder", "> 3 * abs(best)", "> 4 * abs(best)"),
    ("LRFinder", "not math.isfinite(losses[-1]) or losses[-1]", "losses[-1]"),
    ("LRFinder", "best = min(losses)\n", "best = losses[0]\n"),
    ("LRFinder", "order, lrs, losses, undo = 50,", "order, lrs, losses, undo = 0,"),
    ("LRFinder", EPOCHS, EPOCHS.replace("ceil", "floor")),
    ("LRFinder", EPOCHS, "self.num_it"),
    ("LRFinder", EPOCHS, EPOCHS.replace("max(1, length_hint(run.data.train_dl))",
                                        "len(run.data.train_dl)")),
    ("LRFinder", "len(self.lrs) / (self.num_it - 1))", "len(self.lrs) / self.num_it)"),
    ("LRFinder", SET, "set_hyper(param_groups(self.run.opt)[0], \"lr\", self.lr)"),
    ("LRFinder", SMOOTH, "loss"),
    ("LRFinder", SMOOTH, "0.2 * self.losses[-1] + 0.8 * loss if self.losses else loss"),
    ("LRFinder", SMOOTH, "0.8 * self.losses[-1] + 0.2 * loss if self.losses else 0.2 * loss"),
    ("LRFinder", "if self.stop_div and _exploded", "if _exploded"),
    ("LRFinder", '        "Skip validation."\n        return True',
     '        "Skip validation."\n        raise CancelFitException'),
    ("LRFinder", "return self.lrs[self.lowest] / 10", "return self.lrs[self.lowest]"),
    ("LRFinder", "return self.lrs[self.lowest] / 10", "return self.lrs[self.lowest // 10]"),
    ("LRFinder", 'ylabel="smoothed loss", xscale="log"', 'ylabel="smoothed loss"'),
    ("LRFinder", "if self.lowest == 0:", "if not self.losses:"),

    ("lr_find", RUN, RUN.replace("Runner(", "PlainRunner(")),
    ("lr_find", RUN, RUN.replace("[*listify(cbs), finder]", "[finder]")),
    ("lr_find", RUN, RUN.replace("[*listify(cbs), finder]", "[*cbs, finder]")),
    ("lr_find", RUN, RUN.replace("finder]", "finder, finder]")),
    ("lr_find", "finder = LRFinder(**kwargs)", "finder = LRFinder()"),
    ("lr_find", "    return finder", "    return finder.suggestion()"),
]
EQUIVALENT = [
    # (what is changed, its lines, the changed lines, why no promise tells them apart)
    ("_CarefulCaller", f"{CLEAN} (\"after_cancel\", \"after\")}}",
     f"{CLEAN} (\"after\", \"after_cancel\")}}", "a set has no order"),
    ("_CarefulCaller.__call__", "if event not in self.listeners: return super().__call__(event)",
     "if event not in self.listeners: return -(super().__call__(event))",
     "lesson 04's method raises an error there; it has no result"),
    ("Runner._level", 'return self(f"after_{level}")', 'return -(self(f"after_{level}"))',
     "the answer is True or False, and minus does not change which of them it counts as"),
    ("TerminateOnNaNCallback.after_loss",
     "if not run.in_train or math.isfinite(loss := run.loss.item()): return",
     "if not run.in_train or math.isfinite(loss := run.loss): return",
     "a tensor without dimensions is judged and printed like its number"),
    ("EarlyStoppingCallback", f"order = 10 {AFTER}", f"order = 11 {AFTER}", BETWEEN),
    ("EarlyStoppingCallback", f"order = 10 {AFTER}", f"order = 9 {AFTER}", BETWEEN),
    ("_RateTest", FIRST.format(50), FIRST.format(51), BETWEEN),
    ("_RateTest", FIRST.format(50), FIRST.format(49), BETWEEN),
    ("lr_find", RUN, RUN.replace("1", "2"), "the finder sets the number of epochs in begin_fit"),
    ("lr_find", RUN, RUN.replace("1", "0"), "the finder sets the number of epochs in begin_fit"),
]
