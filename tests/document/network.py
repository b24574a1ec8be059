"""The source document's BP network, transcribed formula by formula in scalar loops: no arrays, no xpnn."""

Matrix = list[list[float]]
Vector = list[float]
LEAK, RATE = 0.01, 0.1


def f(z: float) -> float:
    """The source document's activation."""
    return z if z > 0 else LEAK * z


def f_prime(z: float) -> float:
    """Its derivative."""
    return 1.0 if z > 0 else LEAK


class DocumentNetwork:
    """W[l], b[l] for l = 2 .. L under the source document's own indices; x is a^(1)."""

    def __init__(self, W: dict[int, Matrix], b: dict[int, Vector]) -> None:
        self.W, self.b, self.L = W, b, max(W)

    def forward(self, x: Vector) -> tuple[dict[int, Vector], dict[int, Vector]]:
        """z^(l) = W^(l) a^(l-1) + b^(l), a^(l) = f(z^(l))."""
        a, z = {1: x}, {}
        for l in range(2, self.L + 1):
            W, b = self.W[l], self.b[l]
            z[l] = [sum(W[i][j] * a[l - 1][j] for j in range(len(a[l - 1]))) + b[i] for i in range(len(b))]
            a[l] = [f(value) for value in z[l]]
        return z, a

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
