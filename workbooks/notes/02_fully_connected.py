"""What the workbook of lesson 02 adds to the lesson."""
GIVEN = ("Module.forward", "Module.bwd")  # errors for whoever forgets to write them
HINTS = {
    "lin": "refuse shapes that do not fit, naming all three; then weighted sums and biases",
    "relu": "what is not positive, an exact 0 too, becomes 0; nan is not painted over",
    "_squeezed": "[n, 1] against [n] loses its last dimension; unequal shapes are refused as given",
    "mse": "bring output into target's shape first; one number comes out",
    "backward_three": "a dict of all six: loss gets 1, and then the walk above, from right to left",
    "mse_grad": "output.g: each output answers for its own difference; the shape of output",
    "relu_grad": "x.g: what arrives in out.g, where the input let it pass",
    "lin_grad": "x.g, w.g and b.g: the three sums above, each in the shape of its tensor",
    "by_hand": "forward by name, then the counterparts from the loss back; a dict of the eight .g",
    "LinLayer.__init__": "keep both, as self.w and self.b",
    "LinLayer.__call__": "keep the input as x, keep as out what the function gives, return it",
    "LinLayer.backward": "hand its counterpart what was kept",
    "ReluLayer.__call__": "the same three things, with the other function",
    "ReluLayer.backward": "hand its counterpart what was kept",
    "Module.__call__": "keep args, keep as out what forward makes of them, return it",
    "Module.backward": "refuse without a call; see to out.g or refuse; give bwd out and the inputs",
    "Lin.__init__": "keep both, as self.w and self.b",
    "Lin.forward": "the function of that name in small letters, with this layer's w and b",
    "Lin.bwd": "what lin_grad does: x.g, self.w.g, self.b.g",
    "Relu.forward": "the function of that name in small letters",
    "Relu.bwd": "what relu_grad does",
    "Mse.forward": "the function of that name in small letters",
    "Mse.bwd": "what mse_grad does, and one factor more: the gradient that arrives",
    "Model.__init__": "self.layers: a list of the three steps; self.loss: the step that measures",
    "Model.forward": "from layer to layer, then the loss of what came out",
    "Model.bwd": "ask each step for backward: the loss first, then the layers in reverse",
}
SLIPS = {
    "lin is a weighted sum plus a bias for each element, and refuses shapes that do not fit":
        "Is b added once per result, each shape compared, b's even where it would broadcast, and "
        "is it a ValueError that names the shapes as they came?",
    "relu keeps what is positive, turns the rest into 0, lets nan through, and has slope 0 at 0":
        "Which numbers do you replace: is an exact 0 among them, and what becomes of nan, for "
        "which every comparison is False?",
    "mse compares element by element for [n, 1] and [n], and refuses every other pair of shapes":
        "Is it the mean of squares; are shapes made equal or refused before subtracting, and is "
        "it a ValueError that names the shapes as they came?",
    "the walk through three numbers gives what nudging gives, for random numbers":
        "Is every number in the dict, does each factor of the product get the other one, and is "
        "the square's derivative taken at the total?",
    "the gradients by hand equal those of autograd and of nudging, in float64":
        "Are all eight in the dict? Which is wrong? out: mse_grad; active, w2, b2: lin_grad; "
        "hidden: relu_grad. An error: shapes, or the order.",
    "layers that remember, walked back through their list, give the gradients of autograd":
        "Does every call keep its input and its output anew and return the output, and does the "
        "counterpart get them in its own order?",
    "a Module returns its output and hands bwd the output and all inputs of its last call":
        "Are all the inputs kept, anew in every call, does the call return something, and does "
        "bwd get the output before the inputs?",
    "a missing call, gradient or method is explained by name, and a single number may start":
        "What if nothing was called, if an output with dimensions has no .g, if one without has "
        "none, and if it has one already?",
    "Lin and Relu alone: outputs as the functions', gradients as by nudging and PyTorch":
        "Is a sum running over the wrong axis, a matrix not transposed, or the sign asked of the "
        "gradient where it is the input's that counts?",
    "Mse alone: the loss as mse, gradients as by nudging, times the gradient that arrives":
        "The 2, the division by the number of differences, the shape of the output, the factor "
        "out.g: which of the four is missing?",
    "a Model's loss and gradients equal those of autograd and of nudging, for every new batch":
        "Are the layers in order, is each one called (not its forward), and does the way back "
        "begin at the loss and leave none out?",
}
OBJECTIVES = [
    "Students can say what a linear layer computes, name the shapes of its input, weights, biases "
    "and result, and show why two of them without a bend between them are one.",
    "Students can tell from the shapes [n, 1] and [n] that their difference is wrong, and predict "
    "what a network learns that is trained on it.",
    "Students can walk a small graph of products and sums from the loss back and write the "
    "gradient at every number, without a computer.",
    "Students can derive the three gradients of a linear layer, fit the matrix products to the "
    "shapes, and check them by nudging and with autograd.",
    "Students can write a base class that remembers a call, so that a network can be walked "
    "backwards as a list.",
]
MOMENTS = [
    "*Which way is down? Three numbers first*: put the graph with its question marks on the board "
    "and let pairs fill in the gradients from the right, before anything is run. Many give x the "
    "factor x, since the gradient of w · x 'is about x'. Ask what happens to the loss when x "
    "grows by a thousandth; then run the nudges beside the board.",
    "*Backward, function by function*, before the comparison with the slip in ReLU: everybody "
    "writes down which of the eight lines will not be close. Most mark `hidden` alone, some all "
    "eight. The result, four good lines and four bad ones, gives a rule for every later search: "
    "the first bad line is where the slip is. Let somebody explain why w2 is still right.",
]
COMMON = [
    ("ReLU's gradient asks for the sign of the gradient that arrives, not of the input",
     ("x.g = out.g * (x > 0)", "x.g = out.g * (out.g > 0)")),
    ("the gradient of the weights comes out transposed",
     ("self.w.g = x.t() @ out.g", "self.w.g = out.g.t() @ x")),
    ("the gradient of the biases is summed over the units instead of the images",
     ("self.b.g = out.g.sum(0)", "self.b.g = out.g.sum(1)")),
    ("an output [n, 1] is subtracted from a target [n] as it is",
     ("return (_squeezed(output, target) - target)", "return (output - target)")),
    ("only the first input of a step is remembered",
     ("self.args = args", "self.args = args[:1]")),
    ("the way back goes through the layers in the order of the way there",
     ("for layer in reversed(self.layers): layer.backward()",
      "for layer in self.layers: layer.backward()")),
]
