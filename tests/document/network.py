"""The source document's DNN, transcribed formula by formula in scalar loops: no arrays, no xpnn."""

Matrix = list[list[float]]
Vector = list[float]
LEAK, RATE = 0.01, 0.1


def f(z: complex) -> complex:
    """The source document's activation; a complex z is a derivative's step beside the real one."""
    return z if z.real > 0 else LEAK * z


def f_prime(z: float) -> float:
    """Its derivative."""
    return 1.0 if z > 0 else LEAK


def error(y: Vector, o: Vector) -> complex:
    """E_i = 1/2 sum_k (y_k - o_k)^2."""
    return 0.5 * sum((y[k] - o[k]) ** 2 for k in range(len(y)))


class DocumentNetwork:
    """W[l], b[l] for l = 2 .. L under the source document's own indices; x is a^(1)."""

    def __init__(self, W: dict[int, Matrix], b: dict[int, Vector]) -> None:
        self.W, self.b, self.L = W, b, max(W)

    def state(self, l: int, a: Vector) -> Vector:
        """z^(l) = W^(l) a^(l-1) + b^(l)."""
        W, b = self.W[l], self.b[l]
        return [sum(W[i][j] * a[j] for j in range(len(a))) + b[i] for i in range(len(b))]

    def forward(self, x: Vector) -> tuple[dict[int, Vector], dict[int, Vector]]:
        """z and a of every layer: the state, then a^(l) = f(z^(l))."""
        a, z = {1: x}, {}
        for l in range(2, self.L + 1):
            z[l] = self.state(l, a[l - 1])
            a[l] = [f(value) for value in z[l]]
        return z, a

    def error(self, x: Vector, y: Vector) -> complex:
        """E_i of one sample."""
        return error(y, self.forward(x)[1][self.L])

    def error_from(self, l: int, z: Vector, y: Vector) -> complex:
        """The same as a function of z^(l)."""
        for k in range(l + 1, self.L + 1):
            z = self.state(k, [f(value) for value in z])
        return error(y, [f(value) for value in z])

    def deltas(self, z: dict[int, Vector], a: dict[int, Vector], y: Vector) -> dict[int, Vector]:
        """The first and the second of the four BP formulas."""
        L = self.L
        delta = {L: [-(y[i] - a[L][i]) * f_prime(z[L][i]) for i in range(len(y))]}
        for l in range(L - 1, 1, -1):
            W = self.W[l + 1]
            delta[l] = [
                sum(delta[l + 1][j] * W[j][i] for j in range(len(W))) * f_prime(z[l][i]) for i in range(len(z[l]))
            ]
        return delta

    def gradients(self, x: Vector, y: Vector) -> tuple[dict[int, Matrix], dict[int, Vector]]:
        """The third and the fourth: dE/db_i = delta_i, dE/dw_ij = delta_i a_j."""
        z, a = self.forward(x)
        delta = self.deltas(z, a, y)
        dW = {l: [[d * value for value in a[l - 1]] for d in delta[l]] for l in delta}
        return dW, delta

    def update(self, samples: list[tuple[Vector, Vector]]) -> None:
        """W = W - u/N sum_i dE_i/dW, b = b - u/N sum_i dE_i/db."""
        N = len(samples)
        gradients = [self.gradients(x, y) for x, y in samples]
        for l in self.W:
            for i in range(len(self.b[l])):
                self.b[l][i] -= RATE / N * sum(db[l][i] for _, db in gradients)
                for j in range(len(self.W[l][i])):
                    self.W[l][i][j] -= RATE / N * sum(dW[l][i][j] for dW, _ in gradients)
