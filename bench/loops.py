"""The competitors of the benchmark: the same training, in plain PyTorch, in this course's loops and
in other libraries.

Each is a function of a model and the batches of one epoch, and returns another function: one that
trains an epoch and returns the exact means of loss and accuracy over its samples. All use the same
loss, SGD with the same rate, and no validation. What is made once for all epochs is made outside.
"""
import io
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import partial

import torch
import torch.nn.functional as F

from exp.callbacks import AvgStatsCallback, DataBunch
from exp.callbacks import Learner as Bundle
from exp.early_stopping import Runner
from exp.learner import Averages, Learner, Recorder, TrainEvalCallback

LR = 0.01


def accuracy(pred, yb): return (pred.argmax(1) == yb).float().mean()


class Batches(list):
    "A list of batches that no library takes for a list of loaders; `device` is for fastai."
    device = torch.device("cpu")


# Written by hand

def tensor_sums(model, batches):
    "Plain PyTorch; the averages are sums of tensors, so that nothing waits for the device."
    opt = torch.optim.SGD(model.parameters(), LR)

    def epoch():
        model.train()
        loss_sum = right_sum = torch.zeros((), device=batches[0][0].device)
        count = 0
        for xb, yb in batches:
            pred = model(xb)
            loss = F.cross_entropy(pred, yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
            n = len(xb)
            loss_sum = loss_sum + loss.detach() * n
            right_sum = right_sum + accuracy(pred, yb) * n
            count += n
        return loss_sum.item() / count, right_sum.item() / count
    return epoch


def lean(model, batches):
    "Plain PyTorch; the averages are Python's numbers by .item(), which waits for the device."
    opt = torch.optim.SGD(model.parameters(), LR)

    def epoch():
        model.train()
        loss_sum = right_sum = count = 0
        for xb, yb in batches:
            pred = model(xb)
            loss = F.cross_entropy(pred, yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
            n = len(xb)
            loss_sum += loss.item() * n
            right_sum += accuracy(pred, yb).item() * n
            count += n
        return loss_sum / count, right_sum / count
    return epoch


# This course

def runner(model, batches):
    "Lesson 06's Runner with AvgStatsCallback."
    averages = AvgStatsCallback(accuracy, quiet=True)
    bundle = Bundle(model, torch.optim.SGD(model.parameters(), LR), F.cross_entropy,
                    DataBunch(batches, []))
    run = Runner(averages)

    def epoch():
        run.fit(1, bundle)
        return tuple(averages.train_stats.avg_stats)
    return epoch


def learner(model, batches, cbs=(), **options):
    "Lesson 10's Learner, with its defaults; in training the Recorder averages the metrics too."
    cbs = [*cbs] if "default_cbs" in options else [Recorder(train_metrics=True), *cbs]
    learn = Learner(model, DataBunch(batches, []), F.cross_entropy, opt_func=torch.optim.SGD,
                    lr=LR, metrics=accuracy, cbs=cbs, **options)
    averages = next(cb for cb in learn.cbs if isinstance(cb, Averages))

    def epoch():
        with redirect_stdout(io.StringIO()): learn.fit(1)
        return averages.found["train_loss"], averages.found["train_accuracy"]
    return epoch


def learner_averages(model, batches):
    "Lesson 10's Learner with averages only: no record, no table."
    return learner(model, batches, [TrainEvalCallback, Averages], default_cbs=False)


# Others

def fastai(model, batches):
    "fastai's Learner with its default callbacks, without bars and table."
    import fastai.callback.progress  # noqa: F401, which adds no_bar
    from fastai.callback.core import CancelValidException
    from fastai.data.core import DataLoaders
    from fastai.learner import AvgLoss, Callback, Learner, Recorder
    from fastai.optimizer import OptimWrapper

    class NoValidation(Callback):
        def before_validate(self): raise CancelValidException

    # By default fastai averages metrics in validation only; train_metrics has them in training.
    def averaged(pred, yb): return accuracy(pred, yb)
    learn = Learner(DataLoaders(batches, batches), model, F.cross_entropy, lr=LR, wd=0.,
                    opt_func=partial(OptimWrapper, opt=torch.optim.SGD),
                    metrics=[AvgLoss(), averaged], cbs=NoValidation())
    learn.recorder.train_metrics = True
    assert isinstance(learn.recorder, Recorder)

    def epoch():
        with learn.no_bar(), learn.no_logging(): learn.fit(1)
        return tuple(metric.value.item() if torch.is_tensor(metric.value) else metric.value
                     for metric in learn.recorder.metrics)
    return epoch


def lightning(model, batches):
    "Lightning's Trainer without logger, checkpoints, bars and summary; log() averages."
    import lightning as L

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model

        def training_step(self, batch, i):
            xb, yb = batch
            pred = self.model(xb)
            loss = F.cross_entropy(pred, yb)
            self.log_dict({"loss": loss, "accuracy": accuracy(pred, yb)}, on_step=False,
                          on_epoch=True, batch_size=len(xb))
            return loss

        def configure_optimizers(self): return torch.optim.SGD(self.parameters(), LR)

    module = Module()

    def epoch():
        trainer = L.Trainer(max_epochs=1, accelerator="auto" if batches.device.type == "cuda"
                            else "cpu", devices=1, logger=False, enable_checkpointing=False,
                            enable_progress_bar=False, enable_model_summary=False)
        trainer.fit(module, batches)
        return tuple(trainer.callback_metrics[name].item() for name in ("loss", "accuracy"))
    return epoch


def ignite(model, batches):
    "Ignite's supervised trainer, with two averages attached."
    from ignite.engine import create_supervised_trainer
    from ignite.metrics import Average

    opt = torch.optim.SGD(model.parameters(), LR)
    trainer = create_supervised_trainer(
        model, opt, F.cross_entropy, device=batches.device,
        output_transform=lambda x, y, pred, loss: (loss.detach(), accuracy(pred, y), len(y)))
    for i, name in enumerate(("loss", "accuracy")):
        Average(lambda out, i=i: out[i] * out[2], device=batches.device).attach(trainer, name)
    Average(lambda out: float(out[2])).attach(trainer, "size")

    def epoch():
        found = trainer.run(batches, max_epochs=1).metrics
        return tuple(float(found[name] / found["size"]) for name in ("loss", "accuracy"))
    return epoch


def skorch(model, batches):
    "skorch's NeuralNetClassifier, whose own average of the loss stands beside EpochScoring."
    import numpy as np
    from skorch import NeuralNetClassifier
    from skorch.callbacks import EpochScoring

    y = np.concatenate([yb.cpu().numpy() for _, yb in batches])
    net = NeuralNetClassifier(
        model, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=LR,
        train_split=None, max_epochs=1, verbose=0, device=str(batches.device),
        iterator_train=lambda dataset, **options: batches,
        callbacks=[("accuracy", EpochScoring("accuracy", on_train=True, name="accuracy"))])
    net.initialize()

    def epoch():
        net.partial_fit(np.zeros((len(y), 1), dtype="float32"), y)
        return net.history[-1]["train_loss"], net.history[-1]["accuracy"]
    return epoch


def accelerate(model, batches):
    "Accelerate's bare loop: the hand-written one with sums of tensors, prepared by it."
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=batches.device.type == "cpu")
    model, opt = accelerator.prepare(model, torch.optim.SGD(model.parameters(), LR))

    def epoch():
        model.train()
        loss_sum = right_sum = torch.zeros((), device=batches[0][0].device)
        count = 0
        for xb, yb in batches:
            pred = model(xb)
            loss = F.cross_entropy(pred, yb)
            accelerator.backward(loss)
            opt.step()
            opt.zero_grad()
            n = len(xb)
            loss_sum = loss_sum + loss.detach() * n
            right_sum = right_sum + accuracy(pred, yb) * n
            count += n
        return loss_sum.item() / count, right_sum.item() / count
    return epoch


OURS = {"by hand, tensor sums": tensor_sums, "by hand, .item()": lean, "Runner": runner,
        "Learner, averages": learner_averages, "Learner, all defaults": learner}
PEERS = {"Accelerate": accelerate, "skorch": skorch, "Ignite": ignite, "fastai": fastai,
         "Lightning": lightning}


def quietly(make):
    "A competitor whose warnings and messages are left out: a GPU that is not used, few workers."
    def made(*args):
        import logging
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        warnings.simplefilter("ignore")
        with redirect_stderr(io.StringIO()): return make(*args)
    return made
