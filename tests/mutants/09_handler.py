"Wrong versions of lesson 09's code, each of which the lesson's own checks must notice."
NAME = 'camel2snake(re.sub(r"(?<=.)Callback$", "", type(self).__name__))'
EMPTY = "if answer is None or isinstance(answer, dict): return answer or {}"
PAIR = "if len(keys) == 2 and isinstance(answer, (tuple, list)) and len(answer) == 2:"
YES = "return {keys[0]: True} if answer else {}"
SORT = "self.callbacks.sort(key=lambda cb: cb.order)"
LISTENS = "if getattr(type(cb), event) is not getattr(Callback, event)]"
WHOSE = '(self.callbacks if "epoch" in event else everyone)'
UNKNOWN = "if unknown := update.keys() - self.state.keys(): self._refuse(event, cb, unknown)"
ADDED = '"last_metrics": [*last_metrics, self.mean.value]'
BOUND = "while self.state[\"next_epoch\"] < self.state[\"n_epochs\"]:"
REST = """            except BaseException as failure:
                _despite(failure, self._tell, listeners[i + 1:])
                raise"""
NEXT = 'state |= {"epoch": state["next_epoch"], "next_epoch": state["next_epoch"] + 1}'
FINISH = "        self.finish_metrics(val_loss)\n"
LISTENED = '        self._ask("on_epoch_end", self.listeners["on_epoch_end"])\n'
PASS = 'if train != state["train"]: state |= {"train": train, "num_batch": 0, "stop_epoch": False}'
SKIPS = 'state |= {"skip_backward": False, "skip_step": False, "skip_zero": False}'
SMOOTH = """        self.smoothener.add_value(loss)
        self.state |= {"last_loss": loss, "smooth_loss": self.smoothener.smooth}
        self._ask("on_backward_begin", self.listeners["on_backward_begin"])
"""
DETACHED = "if torch.is_tensor(state[key]): state[key] = state[key].detach()"
BATCH = "xb, yb = handler.on_batch_begin(xb, yb)\n        out"
OUTPUT = "out = handler.on_loss_begin(model(xb))\n        loss, skip"
LOSS = "loss, skip = handler.on_backward_begin(loss_func(out, yb))"
VALID = "xb, yb = handler.on_batch_begin(xb, yb, train=False)"
MEASURED = "mean.accumulate(SimpleNamespace(loss=loss, yb=yb))"
SKIP = 'skip = data.valid_dl is None or handler.state["skip_validate"]'
CAUGHT = """    except BaseException as failure:
        _despite(failure, handler.on_train_end, failure)
        raise
    handler"""
BARS = '{"notebook": NBMasterBar, "terminal": ConsoleMasterBar}.get(_where())\n    return'
SHOWN = "bar.comment, bar.wait_for = f\"{handler.state['smooth_loss']:.4f}\", 0"
TAKEN = "if not isinstance(getattr(value, self.name, self), LearnerCallback):"
OWN = "if hasattr(type(self), name): return object.__getattribute__(self, name)"
COLUMNS = '["epoch", "train_loss", "valid_loss", *metrics_names, *time_column]'
VALUES = "values = [epoch, smooth_loss, *last_metrics, seconds]"
DECAY = "self.opt.wd = self.wd if wd is None else wd"
DEFAULT = "if not any(isinstance(cb, Recorder) for cb in made): made.insert(0, Recorder(self))"
ONCE = "fit(epochs, self, [*self.callbacks, *listify(callbacks)], self.metrics)"
LOADED = 'if with_opt: self.opt.load_state_dict(saved["opt"])'
PART = 'part = path.with_name(f"{path.name}.{os.getpid()}.part")'
CLOSED = """        except BaseException as failure:
            _despite(failure, handler.on_train_end, failure)
            raise
        return handler"""
CLIPPED = "nn.utils.clip_grad_norm_(self.learn.model.parameters(), self.clip)"
FALLING = "(n - up, (top, top / self.div_final), (low, high))]"
CHANGE = "if len(self.steps) > 1 and self.steps[0][0].is_done: del self.steps[0]"
RATES = "share = len(self.lrs) / (self.num_it - 1)"
OVER = "if exploded or len(self.lrs) == self.num_it:"
PENALTY = "last_loss + self.alpha * last_output.pow(2).mean()"
SHRINK = 'if p.grad is not None: p *= 1 - group["lr"] * self.wd'
BETTER = "better = self.best - value > self.min_delta"
WAIT = "if better is not None: self.wait = 0 if better else self.wait + 1"
SAVED = "if saved: self.learn.load(self.file, with_opt=False)"
ASKED = 'if keys[0].startswith("last_"): return {keys[0]: answer}'
METHODS = "for method in dir(type(cb)):"
EARLY = "order = {} # before callbacks that change the loss"
SEARCH = "fit(1, self, [*self.callbacks, finder], self.metrics)"
PLACED = "self.opt.lr = np.broadcast_to(lr, len(self.learn.layer_groups)).tolist()"
SINGLE = "here the event has one key"
ENDS = "sorted, the names begin with __class__ and end with order"
CLOSEST = "the closest one is taken"
BETWEEN = "only its place among the orders of other callbacks counts, and none is so close"
POWER = "only a machine that loses its power could tell"
LENGTHS = "the steppers of a phase have the same length"

MUTANTS = [
    # (exported name, text that stands once in the lesson's exported cells, wrong text)
    ("Callback", NAME, "camel2snake(type(self).__name__)"),
    ("Callback", NAME, NAME.replace("(?<=.)", "")),
    ("Callback", NAME, NAME.replace("Callback$", "Callback")),
    ("Callback", '{"next_epoch": n}', '{"epoch": n}'),
    ("Callback", '{"next_epoch": n}', '{"next_epoch": n - 1}'),
    ("Callback", "order = 0  #", "order = 1  #"),
    ("Callback", '"on_backward_end": ("skip_step",)', '"on_backward_end": ("skip_zero",)'),
    ("Callback", '("last_input", "last_target")', '("last_target", "last_input")'),
    ("Callback", EMPTY, "if not answer or isinstance(answer, dict): return answer or {}"),
    ("Callback", EMPTY, EMPTY.replace("answer is None", "answer == None")),
    ("Callback", PAIR, PAIR.replace("(tuple, list)", "tuple")),
    ("Callback", PAIR, "if len(keys) == 2:"),
    ("Callback", PAIR, "if len(keys) == len(answer):"),
    ("Callback", YES, "return {keys[0]: bool(answer)}"),
    ("Callback", YES, "return {keys[0]: answer}"),
    ("Callback", "if len(keys) != 1:", "if not keys:"),

    ("AverageMetric", ADDED, '"last_metrics": [self.mean.value]'),
    ("AverageMetric", ADDED, '"last_metrics": [self.mean.value, *last_metrics]'),
    ("AverageMetric", "if not train: self.mean", "self.mean"),
    ("AverageMetric", "if not train: self.mean", "if train: self.mean"),
    ("AverageMetric", "        self.mean.reset()\n", "        pass\n"),
    ("AverageMetric", "self.mean.accumulate(last_output, last_target)",
     "self.mean.accumulate(last_target, last_output)"),

    ("CallbackHandler", SORT, "pass"),
    ("CallbackHandler", SORT, "self.callbacks.sort(key=lambda cb: -cb.order)"),
    ("CallbackHandler", LISTENS, LISTENS.replace("getattr(Callback, event)", "None")),
    ("CallbackHandler", WHOSE, "everyone"),
    ("CallbackHandler", WHOSE, "self.callbacks"),
    ("CallbackHandler", "everyone = [*self.metrics, *self.callbacks]",
     "everyone = [*self.callbacks, *self.metrics]"),
    ("CallbackHandler", UNKNOWN, ""),
    ("CallbackHandler", "            self.state.update(update)\n", ""),
    ("CallbackHandler", "getattr(cb, event)(**self.state), type",
     "getattr(cb, event)(**dict(self.state, last_loss=0)), type"),
    ("CallbackHandler", "self.metrics if metrics is None else listify(metrics)",
     "listify(metrics)"),
    ("CallbackHandler", "self.smoothener = SmoothenValue(self.beta)\n",
     "self.smoothener = SmoothenValue(0.98)\n"),
    ("CallbackHandler", BOUND, BOUND.replace("<", "<=")),
    ("CallbackHandler", BOUND, "for _ in range(self.state[\"n_epochs\"]):"),
    ("CallbackHandler", REST, "            finally: pass"),
    ("CallbackHandler", REST, REST.replace("i + 1", "i")),
    ("CallbackHandler", REST, REST.replace("\n                raise", "")),
    ("CallbackHandler", REST, REST.replace("BaseException", "Exception")),
    ("CallbackHandler", 'self.state["exception"] = exception\n', "pass\n"),
    ("CallbackHandler", NEXT, NEXT.replace(' + 1', "")),
    ("CallbackHandler", NEXT, 'state |= {"epoch": state["epoch"] + 1}'),
    ("CallbackHandler", '{"num_batch": 0, "train": True, "stop_epoch": False}', '{"train": True}'),
    ("CallbackHandler", '        self.start_metrics()\n        self._ask("on_epoch_begin", self.l',
     '        self._ask("on_epoch_begin", self.l'),
    ("CallbackHandler", "+= [None] * len(self.metrics)", "+= []"),
    ("CallbackHandler", "if val_loss is None: self", "if not val_loss: self"),
    ("CallbackHandler", FINISH + LISTENED, LISTENED + FINISH),
    ("CallbackHandler", PASS, 'state["train"] = train'),
    ("CallbackHandler", PASS, PASS.replace(', "stop_epoch": False', "")),
    ("CallbackHandler", PASS, PASS.replace(', "num_batch": 0', "")),
    ("CallbackHandler", SKIPS, "pass"),
    ("CallbackHandler", SKIPS, SKIPS.replace(', "skip_zero": False', "")),
    ("CallbackHandler", 'return state["last_input"], state["last_target"]', "return xb, yb"),
    ("CallbackHandler", 'return self.state["last_output"]', "return out"),
    ("CallbackHandler", 'return self.state["last_loss"], self.state["skip_backward"]',
     'return loss, self.state["skip_backward"]'),
    ("CallbackHandler", SMOOTH,
     '        self.state["last_loss"] = loss\n'
     '        self._ask("on_backward_begin", self.listeners["on_backward_begin"])\n'
     '        self.smoothener.add_value(self.state["last_loss"])\n'
     '        self.state["smooth_loss"] = self.smoothener.smooth\n'),
    ("CallbackHandler", DETACHED, "pass"),
    ("CallbackHandler", DETACHED, "state[key] = state[key].detach()"),
    ("CallbackHandler", 'for key in ("last_output", "last_loss"):', 'for key in ("last_loss",):'),
    ("CallbackHandler", 'state["iteration"] += state["train"]', 'state["iteration"] += 1'),
    ("CallbackHandler", '        state["num_batch"] += 1\n', ""),
    ("CallbackHandler", 'return state["stop_epoch"]', 'return state["stop_training"]'),

    ("train_epoch", BATCH, "handler.on_batch_begin(xb, yb)\n        out"),
    ("train_epoch", BATCH, BATCH.replace("xb, yb =", "xb, _ =")),
    ("train_epoch", BATCH, BATCH.replace("xb, yb =", "_, yb =")),
    ("train_epoch", OUTPUT, "out = model(xb)\n        handler.on_loss_begin(out)\n"
                            "        loss, skip"),
    ("train_epoch", LOSS, "loss = loss_func(out, yb)\n        skip = "
                          "handler.on_backward_begin(loss)[1]"),
    ("train_epoch", "if not skip: loss.backward()", "loss.backward()"),
    ("train_epoch", "if not handler.on_backward_end(): opt.step()",
     "handler.on_backward_end()\n        opt.step()"),
    ("train_epoch", "if not handler.on_backward_end(): opt.step()",
     "opt.step()\n        handler.on_backward_end()"),
    ("train_epoch", "if not handler.on_step_end(): opt.zero_grad()",
     "handler.on_step_end()\n        opt.zero_grad()"),
    ("train_epoch", "if not handler.on_step_end(): opt.zero_grad()",
     "opt.zero_grad()\n        handler.on_step_end()"),
    ("train_epoch", "if handler.on_batch_end(loss): break\n\n", "handler.on_batch_end(loss)\n\n"),
    ("train_epoch", "    model.train()\n", ""),

    ("validate", VALID, VALID.replace("xb, yb =", "xb, _ =")),
    ("validate", VALID, "handler.on_batch_begin(xb, yb, train=False)"),
    ("validate", VALID, VALID.replace(", train=False", "")),
    ("validate", "    model.eval()\n", ""),
    ("validate", "with torch.no_grad():\n            out", "if True:\n            out"),
    ("validate", "out = handler.on_loss_begin(model(xb))\n            loss", "out = model(xb)\n"
     "            handler.on_loss_begin(out)\n            loss"),
    ("validate", MEASURED, MEASURED.replace("yb=yb", "yb=[0]")),
    ("validate", "return mean.avg_stats[0]", "return loss.item()"),

    ("fit", "if epochs < 1: raise", "if epochs < 0: raise"),
    ("fit", "if epochs < 1: raise", "if epochs <= 1: raise"),
    ("fit", "handler = CallbackHandler(callbacks, metrics)\n    model",
     "handler = CallbackHandler(callbacks)\n    model"),
    ("fit", SKIP, SKIP.replace("data.valid_dl is None or ", "")),
    ("fit", SKIP, "skip = data.valid_dl is None"),
    ("fit", "if handler.on_epoch_end(val_loss): break", "handler.on_epoch_end(val_loss)"),
    ("fit", CAUGHT, "    finally: pass\n    handler"),
    ("fit", CAUGHT, CAUGHT.replace("BaseException", "Exception")),
    ("fit", CAUGHT, CAUGHT.replace("        raise\n", "        return\n")),
    ("fit", CAUGHT, CAUGHT.replace("on_train_end, failure)", "on_train_end)")),
    ("fit", CAUGHT, CAUGHT.replace("    handler", "    return\n    handler")),
    ("fit", "train_epoch(model, data.train_dl, loss_func, opt, handler)",
     "train_epoch(model, learn.data.train_dl, loss_func, opt, handler)"),
    ("fit", "train_epoch(model, data.train_dl, loss_func, opt, handler)",
     "train_epoch(model, data.train_dl, loss_func, learn.opt, handler)"),

    ("progress_bar", BARS, BARS.replace('"notebook"', '"file"')),
    ("progress_bar", BARS, BARS.replace('"terminal"', '"file"')),
    ("progress_bar", "return kind(range(epochs)) if kind else _NoBar()",
     "return kind and kind(range(epochs))"),
    ("progress_bar", "return kind(range(epochs)) if kind else _NoBar()",
     "return kind(range(1, epochs)) if kind else _NoBar()"),

    ("with_bar", "        yield from dl\n        return\n", "        return\n"),
    ("with_bar", 'total=length_hint(dl) or "noinfer"', "total=len(dl)"),
    ("with_bar", "for done, batch in enumerate(dl, 1):", "for done, batch in enumerate(dl):"),
    ("with_bar", "    finally:\n        bar.prefix", "    except ():\n        bar.prefix"),
    ("with_bar", SHOWN, "bar.wait_for = 0"),
    ("with_bar", SHOWN, SHOWN.replace(", bar.wait_for", "").replace(", 0", "")),

    ("LearnerCallback", 'super().__setattr__("_learn", weakref.ref(value))',
     'super().__setattr__("_learn", lambda: value)'),
    ("LearnerCallback", "        setattr(value, self.name, self)\n", ""),
    ("LearnerCallback", TAKEN, TAKEN.replace("not isinstance", "False and isinstance")),
    ("LearnerCallback", TAKEN, "if hasattr(value, self.name):"),
    ("LearnerCallback", 'if name in ("model", "data", "opt", "loss_func"):', "if False:"),
    ("LearnerCallback", 'if name != "learn": return super().__setattr__(name, value)\n',
     'if name != "learn": return\n'),
    ("LearnerCallback", OWN, "pass"),
    ("LearnerCallback", 'if learn is not None and name == "learn": return learn\n', "pass\n"),
    ("LearnerCallback", 'if learn is None and "_learn" in self.__dict__:', "if False:"),

    ("Recorder", COLUMNS, '["epoch", "train_loss", "valid_loss", *time_column, *metrics_names]'),
    ("Recorder", '["time"] * self.add_time', '["time"]'),
    ("Recorder", VALUES, "values = [epoch + 1, smooth_loss, *last_metrics, seconds]"),
    ("Recorder", VALUES, "values = [epoch, smooth_loss, last_metrics[0], seconds]"),
    ("Recorder", "order = -10  #", "order = 10  #"),
    ("Recorder", "math.nan if mom is None else mom)", "mom)"),
    ("Recorder", "self.add_batch(last_loss, self.learn.opt.lr,",
     "self.add_batch(last_loss, self.learn.opt.param_groups[0][\"lr\"],"),
    ("Recorder", "if pbar is not None: pbar.on_iter_end()", "pass"),

    ("Quiet", 'return {"pbar": None}', "return None"),
    ("Quiet", "order = -30\n", "order = 0\n"),
    ("Quiet", 'return {"pbar": None}', 'return {"pbar": False}'),

    ("Learner", "        self.opt.lr = lr\n", "        pass\n"),
    ("Learner", DECAY, "self.opt.wd = wd or self.wd"),
    ("Learner", DECAY, "if wd is not None: self.opt.wd = wd"),
    ("Learner", DEFAULT, "made.insert(0, Recorder(self))"),
    ("Learner", DEFAULT, DEFAULT.replace("insert(0, Recorder(self))", "append(Recorder(self))")),
    ("Learner", ONCE, "self.callbacks += listify(callbacks)\n"
                      "        fit(epochs, self, self.callbacks, self.metrics)"),
    ("Learner", ONCE, "fit(epochs, self, [*listify(callbacks)], self.metrics)"),
    ("Learner", "wd=wd, true_wd=true_wd)", "wd=wd)"),
    ("Learner", 'map_location="cpu", weights_only=True', 'map_location="cpu", weights_only=False'),
    ("Learner", PART, "part = path"),
    ("Learner", "        finally: part.unlink(missing_ok=True)\n", "        finally: pass\n"),
    ("Learner", "            part.replace(path)\n", ""),
    ("Learner", LOADED, 'self.opt.load_state_dict(saved["opt"])'),
    ("Learner", LOADED, "pass"),
    ("Learner", "            keep()\n", ""),
    ("Learner", '"opt": self.opt.state_dict()}, file', '"opt": {}}, file'),
    ("Learner", "[*listify(callbacks), cycle])", "cycle)"),
    ("Learner", "fit(1, self, [*self.callbacks, finder], self.metrics)",
     "fit(1, self, finder, self.metrics)"),
    ("Learner", "[*self.callbacks, *listify(callbacks)], self.metrics)\n        dl",
     "listify(callbacks), self.metrics)\n        dl"),
    ("Learner", "        handler.start_metrics()\n", ""),
    ("Learner", CLOSED, "        finally: pass\n        return handler"),
    ("Learner", CLOSED, CLOSED.replace("            raise\n", "            return\n")),
    ("Learner", "self.outputs.append(last_output.cpu())",
     "self.outputs.insert(0, last_output.cpu())"),
    ("Learner", "        self.freeze_to(-1)\n", "        self.freeze_to(1)\n"),

    ("GradientClipping", f"if self.clip: {CLIPPED}", CLIPPED),
    ("GradientClipping", CLIPPED,
     "[nn.utils.clip_grad_norm_(p, self.clip) for p in self.learn.model.parameters()]"),
    ("GradientClipping", CLIPPED, CLIPPED.replace("norm_", "value_")),
    ("GradientClipping", 'def on_backward_end(self, **kwargs):\n        "Shorten',
     'def on_step_end(self, **kwargs):\n        "Shorten'),

    ("OneCycleScheduler", "up, (high, low), top =", "up, (low, high), top ="),
    ("OneCycleScheduler", "round(n * self.pct_start), self.moms",
     "int(n * self.pct_start) + 1, self.moms"),
    ("OneCycleScheduler", FALLING, FALLING.replace("top / self.div_final", "0.")),
    ("OneCycleScheduler", FALLING, FALLING.replace("(low, high)", "(high, low)")),
    ("OneCycleScheduler", "n_epochs * length_hint(self.data.train_dl)",
     "length_hint(self.data.train_dl)"),
    ("OneCycleScheduler", "length, lrs, moms in phases if length]", "length, lrs, moms in phases]"),
    ("OneCycleScheduler", "if not train: return\n        if len", "if len"),
    ("OneCycleScheduler", CHANGE, "if self.steps[0][0].is_done: del self.steps[0]"),
    ("OneCycleScheduler", CHANGE, "pass"),
    ("OneCycleScheduler", "if self.mom_before is not None: self", "self"),
    ("OneCycleScheduler", "self.opt.mom, self.mom_before = self.mom_before, None", "pass"),
    ("OneCycleScheduler", "self._set(self.steps[0][0].start, self.steps[0][1].start)\n", "pass\n"),
    ("OneCycleScheduler", "if not 0 <= pct_start <= 1:", "if not 0 < pct_start < 1:"),

    ("LRFinder", RATES, "share = len(self.lrs) / self.num_it"),
    ("LRFinder", RATES, "share = (len(self.lrs) + 1) / (self.num_it - 1)"),
    ("LRFinder", "exploded = self.stop_div and _exploded(self.losses)", "exploded = False"),
    ("LRFinder", "exploded = self.stop_div and _exploded(self.losses)",
     "exploded = _exploded(self.losses)"),
    ("LRFinder", OVER, "if exploded or len(self.lrs) > self.num_it:"),
    ("LRFinder", '{"stop_epoch": True, "stop_training": True}', "True"),
    ("LRFinder", "for put_back in self.undo: put_back()", "pass"),
    ("LRFinder", '"skip_validate": True, "pbar": None}', '"pbar": None}'),
    ("LRFinder", '"skip_validate": True, "pbar": None}', '"skip_validate": True}'),
    ("LRFinder", 'return {"n_epochs": epochs, ', "return {"),
    ("LRFinder", "0.8 * self.losses[-1] + 0.2 * loss if self.losses else loss", "loss"),

    ("ActivationRegularizer", PENALTY, PENALTY.replace("mean", "sum")),
    ("ActivationRegularizer", PENALTY, PENALTY.replace("pow(2)", "abs()")),
    ("ActivationRegularizer", PENALTY, PENALTY.replace("last_loss + ", "")),
    ("ActivationRegularizer", PENALTY, PENALTY.replace("last_output", "last_output.detach()")),

    ("Bfloat16", "return last_output.float()", "return None"),
    ("Bfloat16", "return last_output.float()", "return last_output.to(torch.bfloat16)"),
    ("Bfloat16", "        self.context.__enter__()\n", ""),
    ("Bfloat16", 'def on_train_end(self, **kwargs):\n        "End it, if an error',
     'def never(self, **kwargs):\n        "End it, if an error'),
    ("Bfloat16", "        self._leave()\n        return last_output.float()",
     "        return last_output.float()"),

    ("TrueWeightDecay", SHRINK, SHRINK.replace("1 - ", "1 + ")),
    ("TrueWeightDecay", SHRINK, SHRINK.replace('group["lr"] * ', "")),
    ("TrueWeightDecay", SHRINK, SHRINK.replace("if p.grad is not None: ", "")),
    ("TrueWeightDecay", 'def on_backward_end(self, **kwargs):\n        "Shrink',
     'def on_backward_begin(self, **kwargs):\n        "Shrink'),

    ("EarlyStoppingCallback", BETTER, BETTER.replace(">", ">=")),
    ("EarlyStoppingCallback", BETTER, "better = self.best > value"),
    ("EarlyStoppingCallback", 'self.sign = 1 if "loss" in monitor or "error" in monitor else -1',
     "self.sign = -1"),
    ("EarlyStoppingCallback", WAIT, "self.wait = 0 if better else self.wait + 1"),
    ("EarlyStoppingCallback", WAIT, "if not better: self.wait += 1"),
    ("EarlyStoppingCallback", "self.wait >= self.patience", "self.wait > self.patience"),
    ("EarlyStoppingCallback", "if last_metrics[self.place] is None: return None\n", "pass\n"),
    ("EarlyStoppingCallback", "if patience < 1: raise", "if patience < 0: raise"),
    ("EarlyStoppingCallback", "        self.wait = 0\n", "        self.wait = 1\n"),

    ("SaveModelCallback", "if not self.is_better(epoch, last_metrics): return\n", "pass\n"),
    ("SaveModelCallback", SAVED, "pass"),
    ("SaveModelCallback", SAVED, "self.learn.load(self.file, with_opt=False)"),
    ("SaveModelCallback", SAVED, "if saved: self.learn.load(self.file)"),
    ("SaveModelCallback", "self.learn.save(self.file)\n", 'self.learn.save("best")\n'),
    ("SaveModelCallback", "        self.saved = True\n", ""),
    ("SaveModelCallback", "saved, self.saved = self.saved, False", "saved = self.saved"),
]
EQUIVALENT = [
    # (what is changed, its lines, the changed lines, why no promise tells them apart)
    ("_as_update", ASKED, ASKED.replace("keys[0].s", "keys[-1].s"), SINGLE),
    ("_as_update", ASKED, ASKED.replace("{keys[0]:", "{keys[-1]:"), SINGLE),
    ("_as_update", YES, YES.replace("[0]", "[-1]"), SINGLE),
    ("_warn_of_typos", METHODS, METHODS.replace("dir(type(cb))", "list(dir(type(cb)))[:-1]"), ENDS),
    ("_warn_of_typos", METHODS, METHODS.replace("dir(type(cb))", "list(dir(type(cb)))[1:]"), ENDS),
    ("_warn_of_typos", "close = get_close_matches(method, _OWN, 1, cutoff=0)",
     "close = get_close_matches(method, _OWN, 2, cutoff=0)", CLOSEST),
    ("_State._refuse", "close = get_close_matches(str(key), self.state, 1, cutoff=0)",
     "close = get_close_matches(str(key), self.state, 2, cutoff=0)", CLOSEST),
    ("LearnerCallback.__getattr__", "close = get_close_matches(name, [*dir(self), *dir(learn)], 1)",
     "close = get_close_matches(name, [*dir(self), *dir(learn)], 2)", CLOSEST),
    ("_State._ask", UNKNOWN, UNKNOWN.replace("update.keys()", "update"), "a dict's keys are taken"),
    ("_State._ask", UNKNOWN, UNKNOWN.replace("self.state.keys()", "self.state"),
     "a dict's keys are taken"),
    ("_Epochs.on_epoch_end", 'return self.state["stop_training"]',
     'return -(self.state["stop_training"])',
     "the answer is True or False, and minus does not change which of them it counts as"),
    ("CallbackHandler.on_batch_end", 'for key in ("last_output", "last_loss"):',
     'for key in ("last_loss", "last_output"):', "neither of the two depends on the other"),
    ("validate", "mean = AvgStats(None, False)", "mean = AvgStats(None, True)",
     "it says whose averages they are when they are printed, and nobody prints these"),
    ("validate", "return mean.avg_stats[0]", "return mean.avg_stats[-1]",
     "without metrics, there is one"),
    ("with_bar", "if time.monotonic() < next_draw: continue",
     "if time.monotonic() <= next_draw: continue",
     "whether a bar is drawn at the very moment or one batch later, nobody is told"),
    ("LearnerCallback.__getattr__", OWN, OWN.replace("object", "-(object") + ")",
     "the usual look-up has failed before, so it raises an error here; it has no result"),
    *(("Recorder", EARLY.format(-10), EARLY.format(other), BETWEEN) for other in (-9, -11)),
    *(("Quiet", "order = -30", f"order = {other}", BETWEEN) for other in (-29, -31)),
    *(("_Keeps", "order = 1000", f"order = {other}", BETWEEN) for other in (999, 1001)),
    ("_Files.save", "file.flush()", "pass", POWER),
    ("_Files.save", "os.fsync(file.fileno())", "pass", POWER),
    ("_Files.save", "os.fsync(file.fileno())", "os.fsync(file)", "it asks the file for its number"),
    ("Learner.lr_find", SEARCH, SEARCH.replace("1", "2"), "the finder sets the number of epochs"),
    ("OneCycleScheduler.on_batch_end", CHANGE, CHANGE.replace("[0][0].", "[0][1]."), LENGTHS),
    ("OneCycleScheduler.on_batch_end", CHANGE, CHANGE.replace("[0][0].", "[0][-1]."), LENGTHS),
    ("OneCycleScheduler._set", PLACED, PLACED.removesuffix(".tolist()"),
     "the wrapper takes an array as it takes a list"),
]
