"""The text of a C file."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import __version__
from ...backend import to_numpy
from ...data import Pixels
from ...layers import Layer
from ...layers.base import several
from ...models import Graph
from .layers import WRITERS
from .source import array, body, comment, functions, text
from .trace import Buffer, Constants, Trace, Value, numbered

FILE = """\
/* {model}: a network of xpnn {version} in C99, without dependencies, allocation or double precision.

   RAM    {ram:,} bytes: the workspace, which is static, so only one call may run at a time
   flash  {flash:,} bytes of constants, beside the code{int8}

   Compile this file, or include it in one other file; if {P}_HEADER is defined first, it contains only declarations.
   With {P}_TEST defined it is a program that computes a sample: cc -std=c99 -O3 -D{P}_TEST FILE -lm && ./a.out */

#ifndef {P}_PREDICT
#define {P}_PREDICT
#include <stdint.h>

{declarations}
#endif

#if !defined({P}_HEADER) && !defined({P}_DEFINED)
#define {P}_DEFINED
#include <math.h>
#include <string.h>

typedef {weight} weight;

{definitions}

#ifdef {P}_TEST
#include <stdio.h>

{test}
#endif
#endif
"""
INT8 = ", most of them weights of one byte with a scale for each output channel"
STEP = """
   One step of the sequence that {p}_predict reads as a whole. Each call updates the state, {P}_STATE elements, from
   which the next call continues."""
START = "/* Sets the state to that before the first step */\nvoid {p}_start(float *state)"
PIXELS = "/* Computes {p}_predict's input from the bytes of an image [C][H][W] = {shape}, 0 for black to 255 */"
TEST = """\
{arrays}

/* Prints each output beside xpnn's; 1 if any differs by more than 1e-4, or a large one by more than 1e-4 of it */
int main(void)
{{
    static float {buffers};
    int wrong = 0;
    {p}_predict({arguments});
{loops}
    printf("%s: %d outputs differ\\n", wrong ? "failed" : "passed", wrong);
    return wrong > 0;
}}"""
LOOP = """\
    for (int i = 0; i < {n}; i++) {{
        float most = 1e-4f * (1.0f + fabsf(expected_{y}[i]));
        printf("%.9g %.9g\\n", (double){y}[i], (double)expected_{y}[i]);
        wrong += !(fabsf({y}[i] - expected_{y}[i]) <= most);
    }}"""


class Code:
    """A network as C.

    Args:
        model: the network to write.
        x: one sample of each input, an array (1, ...).
        int8: whether weights have one byte.
        name: the prefix of the names of functions and macros.
        steps: whether to add a function for one step.

    Attributes:
        ram: bytes of the workspace.
        flash: bytes of the arrays.
        state: elements of a step's state; None without such a function.
    """

    def __init__(self, model: Layer, x: tuple[Any, ...], int8: bool, name: str, steps: bool) -> None:
        self.model, self.x, self.p, self.P = model, x, name, name.upper()
        self._constants, self._workspace = Constants(int8), 0
        self._macros: dict[str, int] = {}
        self._declared: list[str] = []
        self._defined: list[str] = []
        self._trace("predict", x, "")
        self.state = self._trace("step", (x[0][:, :1],), STEP.format(p=self.p, P=self.P)) if steps else None

    @property
    def ram(self) -> int:
        return 4 * self._workspace

    @property
    def flash(self) -> int:
        return sum(values.nbytes for values in self._constants.arrays.values())

    def not_finite(self) -> str | None:
        """The name of the first array that holds NaN or infinity."""
        return next((name for name, values in self._constants.arrays.items() if not np.isfinite(values).all()), None)

    def _trace(self, function: str, x: tuple[Any, ...], more: str) -> int:
        """Add a function; returns the number of elements of the state from which it continues."""
        step = function == "step"
        trace = Trace(self.model, self._constants, WRITERS, step)
        names = numbered("x", len(x))
        inputs = tuple(Value(one, Buffer(name, one.size, name)) for name, one in zip(names, x, strict=True))
        outputs = trace.run(self.model, inputs)
        if trace.refused:
            listed = "; ".join(f"{path} {layer}".lstrip() for path, layer in trace.refused.items())
            raise TypeError(f"export: layers that are none of xpnn's cannot be written in C: {listed}")
        statements, size = body(trace.calls)
        self._workspace = max(self._workspace, size)
        prefix = f"{self.P}_STEP" if step else self.P
        self._macros |= {f"{prefix}_INPUT": inputs[0].size, f"{prefix}_OUTPUT": outputs[0].size}
        self._macros |= {f"{self.P}_STATE": trace.state} if step else {}
        parameters = [f"const {_kind(value)} *{value.buffer.name}" for value in inputs] + ["float *state"] * step
        parameters += [f"float *{value.buffer.place}" for value in outputs]
        prototype = f"void {self.p}_{function}({', '.join(parameters)})"
        own = (self.model.inputs, self.model.outputs) if isinstance(self.model, Graph) else ((), ())
        told = (_told([*inputs], own[0]), _told(outputs, own[1]))
        self._declared.append(f"/* From {told[0]} to {told[1]}.{more} */\n{prototype};")
        self._defined.append(f"{prototype}\n{{\n{statements}\n}}")
        if step:
            copies = (f"    Copy({array}, state + {at}, 1, {n}, {n});\n" for at, (array, n) in trace.starts.items())
            start = START.format(p=self.p)
            self._declared.append(f"{start};")
            self._defined.append(
                f"{start}\n{{\n    memset(state, 0, {self.P}_STATE * sizeof(float));\n{''.join(copies)}}}"
            )
        return trace.state

    def file(self, classes: Sequence[str], pixels: Pixels | None) -> str:
        """The whole file, with the names of the outputs and a function that turns pixels into an input, if given."""
        macros = {f"{self.P}_WORKSPACE": self._workspace, **self._macros}
        declared, defined = [*self._declared], [*self._defined]
        if classes:
            macros[f"{self.P}_CLASSES"] = len(classes)
            names = f"const char *const {self.p}_classes[{len(classes)}]"
            declared.append(f"extern {names};")
            defined.insert(0, f"{names} = {{\n    {', '.join(map(text, classes))},\n}};")
        if pixels:
            prototype = f"void {self.p}_pixels(const uint8_t *pixels, float *x)"
            declared.append(f"{PIXELS.format(p=self.p, shape=pixels.shape)}\n{prototype};")
            defined.append(f"{prototype}\n{{\n    {self._standardised(pixels)}\n}}")
        if self._workspace:
            defined.insert(0, f"static float workspace[{self._workspace}];")
        arrays = [array(name, values) for name, values in self._constants.arrays.items()]
        heading = "\n".join(f"#define {name} {size}" for name, size in macros.items())
        return FILE.format(
            model=comment(type(self.model).__name__),
            version=__version__,
            ram=self.ram,
            flash=self.flash,
            int8=INT8 if self._constants.int8 else "",
            P=self.P,
            weight="int8_t" if self._constants.int8 else "float",
            declarations="\n\n".join([heading, *declared]),
            definitions="\n\n".join([functions("\n".join(defined)), *arrays, *defined]),
            test=self._test(),
        )

    def _standardised(self, pixels: Pixels) -> str:
        """The call that turns an image's bytes into an input."""
        C, H, W = pixels.shape
        rows, cols = pixels.size or (H, W)
        factor, (top, _), (left, _) = pixels.enlargement
        channel, row = (cols, C * cols) if pixels.layout == "rows" else (rows * cols, cols)
        sizes = ", ".join(map(str, (C, H, W, rows, cols, factor, top, left, channel, row)))
        both = {"pixels_mean": pixels.mean, "pixels_std": pixels.std}
        names = [self._constants.add(name, np.broadcast_to(value, C)) for name, value in both.items()]
        return f"standardise(pixels, x, {sizes}, {', '.join(names)});"

    def _test(self) -> str:
        """A program that computes the sample's outputs and compares them with xpnn's."""
        x: Any = self.x if self.model.joins else self.x[0]
        expected = several(self.model(x))
        inputs = dict(zip(numbered("x", len(self.x)), (to_numpy(one) for one in self.x), strict=True))
        outputs = dict(zip(numbered("y", len(expected)), (to_numpy(one)[0] for one in expected), strict=True))
        arrays = {f"sample_{name}": value[0] for name, value in inputs.items()}
        arrays |= {f"expected_{name}": value for name, value in outputs.items()}
        loops = (LOOP.format(n=value.size, y=name) for name, value in outputs.items())
        return TEST.format(
            p=self.p,
            arrays="\n\n".join(array(name, _narrow(value)) for name, value in arrays.items()),
            buffers=", ".join(f"{name}[{value.size}]" for name, value in outputs.items()),
            arguments=", ".join([*(f"sample_{name}" for name in inputs), *outputs]),
            loops="\n".join(loops),
        )


def _kind(value: Value) -> str:
    return "int32_t" if value.array.dtype.kind in "iu" else "float"


def _narrow(values: np.ndarray) -> np.ndarray:
    """The values in the dtype that they have in C."""
    return values.astype("int32" if values.dtype.kind in "iu" else "float32")


def _told(values: Sequence[Value], names: Sequence[str]) -> str:
    """A list of the values, each with its name in the network and its shape."""
    own = [comment(f" ({name})") for name in names] if len(names) > 1 else [""] * len(values)
    return ", ".join(f"{value.buffer.place}{name} {value.shape}" for value, name in zip(values, own, strict=True))
