// The device's own kernels: each does in one launch what NumPy does in a chain of operations. fusion.py and im2col.py
// launch them; the equations that they stand for bear the same names.
//
// REAL, float or double, is defined for the compiler. One thread makes one number (of a loss, one sample's), and no two
// threads write to one place: the sums have one order, so a run gives the same bits again. Neighbouring threads work on
// neighbouring samples, which lie side by side in memory.

typedef long long Index;

#define THREAD_OR_RETURN(i, size)                                \
    Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x;      \
    if (i >= (size)) return

// A GPU divides 32 bits several times as fast as 64.
__device__ inline Index quotient(Index a, Index b) { return (a | b) >> 32 ? a / b : (unsigned)a / (unsigned)b; }

// The last axis' place of a flat index, which becomes the flat index of the axes in front of it.
__device__ inline Index unravel(Index& i, Index length) {
    Index rest = quotient(i, length), place = i - rest * length;
    i = rest;
    return place;
}

// The last of so many windows that starts at a place or before it.
__device__ inline Index last(Index place, Index stride, Index windows) {
    Index i = quotient(place, stride);
    return i < windows ? i : windows - 1;
}

// A number that may change from step to step: at an address where the step is captured, else the number itself.
__device__ inline REAL number(const REAL* there, REAL here) { return there ? *there : here; }

// -- pooling: windows of k1 by k2 that move by s1 and s2 over an image with a border of p1 and p2

// Images and their strides, and the number of sample n, channel c, row h, column w.
#define IMAGES(T, x) T* x, Index x##_n, Index x##_c, Index x##_h, Index x##_w
#define AT(x, n, c, h, w) x[(n) * x##_n + (c) * x##_c + (h) * x##_h + (w) * x##_w]
#define WINDOW Index k1, Index k2, Index s1, Index s2, Index p1, Index p2

// y[c,i,j] = max_{m,k} x[c, i*s1+m-p1, j*s2+k-p2]; winner = m*k2 + k of the first that has it, the border's never.
extern "C" __global__ void max_pool(
    IMAGES(const REAL, x), IMAGES(REAL, y), IMAGES(int, winner),
    Index C, Index H_out, Index W_out, Index N, Index H, Index W, WINDOW)
{
    THREAD_OR_RETURN(out, C * H_out * W_out * N);
    Index c = out, n = unravel(c, N), j = unravel(c, W_out), i = unravel(c, H_out);
    REAL largest = 0;
    int where = -1;
    for (Index m = 0; m < k1; ++m) {
        Index h = i * s1 + m - p1;
        if (h < 0 || h >= H) continue;
        for (Index k = 0; k < k2; ++k) {
            Index w = j * s2 + k - p2;
            if (w < 0 || w >= W) continue;
            REAL value = AT(x, n, c, h, w);
            if (where < 0 || value > largest || value != value) {  // NaN wins, as in NumPy
                largest = value;
                where = (int)(m * k2 + k);
            }
        }
    }
    AT(y, n, c, i, j) = largest;
    if (winner) AT(winner, n, c, i, j) = where;
}

// y[c,i,j] = scale sum_{m,k} x[c, i*s1+m-p1, j*s2+k-p2], the border being 0.
extern "C" __global__ void mean_pool(
    IMAGES(const REAL, x), IMAGES(REAL, y), REAL scale,
    Index C, Index H_out, Index W_out, Index N, Index H, Index W, WINDOW)
{
    THREAD_OR_RETURN(out, C * H_out * W_out * N);
    Index c = out, n = unravel(c, N), j = unravel(c, W_out), i = unravel(c, H_out);
    REAL sum = 0;
    for (Index k = 0; k < k2; ++k) {  // each column's sum first: NumPy's order
        Index w = j * s2 + k - p2;
        if (w < 0 || w >= W) continue;
        REAL column = 0;
        for (Index m = 0; m < k1; ++m) {
            Index h = i * s1 + m - p1;
            if (h >= 0 && h < H) column += AT(x, n, c, h, w);
        }
        sum += column;
    }
    AT(y, n, c, i, j) = sum * scale;
}

// dx[c,h,w] = sum of scale dy[c,i,j] over the windows (i, j) that hold the pixel; where there are winners, over those
// alone that it won.
extern "C" __global__ void pool_gradient(
    IMAGES(const REAL, dy), IMAGES(const int, winner), REAL scale, IMAGES(REAL, dx),
    Index C, Index H, Index W, Index N, Index H_out, Index W_out, WINDOW)
{
    THREAD_OR_RETURN(in, C * H * W * N);
    Index c = in, n = unravel(c, N), w = unravel(c, W), h = unravel(c, H);
    REAL sum = 0;
    // from the last window to the first, so from the window's first place to its last: NumPy's order
    for (Index i = last(h + p1, s1, H_out); i >= 0 && i * s1 + k1 > h + p1; --i) {
        for (Index j = last(w + p2, s2, W_out); j >= 0 && j * s2 + k2 > w + p2; --j) {
            Index place = (h + p1 - i * s1) * k2 + w + p2 - j * s2;
            if (!winner || AT(winner, n, c, i, j) == place) sum += scale * AT(dy, n, c, i, j);
        }
    }
    AT(dx, n, c, h, w) = sum;
}

// -- convolution

// out[c,r,w] += sum_k lines[g,r,(c,k),(j,n)] over the places k and the columns j with j*s + k*d = w. lines is
// contiguous, (C/channels, H, channels*K, columns*N); out is the part of the images that they reach.
extern "C" __global__ void col2im(
    const REAL* lines, IMAGES(REAL, out), Index C, Index H, Index W, Index N,
    Index channels, Index columns, Index K, Index s, Index d)
{
    THREAD_OR_RETURN(pixel, C * H * W * N);
    Index c = pixel, n = unravel(c, N), w = unravel(c, W), r = unravel(c, H);
    Index g = quotient(c, channels), row = ((g * H + r) * channels + c - g * channels) * K;
    REAL sum = AT(out, n, c, r, w);
    for (Index k = 0; k < K && k * d <= w; ++k) {
        Index j = quotient(w - k * d, s);
        if (j < columns && j * s == w - k * d) sum += lines[((row + k) * columns + j) * N + n];
    }
    AT(out, n, c, r, w) = sum;
}

// -- activations: f by its number, with its constants p and q

enum { SIGMOID, TANH, SCALED_TANH, RELU, LEAKY_RELU };

// y = f(z + b), b being one for each row of z, or missing.
extern "C" __global__ void activation(
    Index f, const REAL* z, const REAL* b, REAL* y, REAL p, REAL q, Index columns, Index size)
{
    THREAD_OR_RETURN(i, size);
    REAL x = b ? z[i] + b[quotient(i, columns)] : z[i];
    REAL a = f == SIGMOID       ? (REAL)0.5 * tanh((REAL)0.5 * x) + (REAL)0.5
             : f == TANH        ? tanh(x)
             : f == SCALED_TANH ? p * tanh(q * x)
             : x > 0 || x != x  ? x
             : f == RELU        ? (REAL)0
                                : q * x;
    y[i] = a;
}

// delta = dy f'(z), f' from a = f(z); for LEAKY_RELU, whose q may be negative, from z itself.
extern "C" __global__ void activation_gradient(
    Index f, const REAL* a, const REAL* dy, REAL* delta, REAL p, REAL q, Index size)
{
    THREAD_OR_RETURN(i, size);
    REAL x = a[i];
    REAL slope = f == SIGMOID       ? x * (1 - x)
                 : f == TANH        ? 1 - x * x
                 : f == SCALED_TANH ? q * (p - x * x / p)
                 : x > 0            ? (REAL)1
                 : f == RELU        ? (REAL)0
                                    : q;
    delta[i] = dy[i] * slope;
}

// db[r] += sum_n delta[r,n]: few rows, and few numbers in each.
extern "C" __global__ void bias_gradient(
    const REAL* delta, Index delta_r, Index delta_n, REAL* db, Index rows, Index columns)
{
    THREAD_OR_RETURN(r, rows);
    REAL sum = 0;
    for (Index n = 0; n < columns; ++n) sum += delta[r * delta_r + n * delta_n];
    db[r] += sum;
}

// -- optimisers: one number of the flat vectors each; the gradient is cleared

// g = dE/dp + decay p; v = momentum v + g; p -= rate v, with Nesterov p -= rate (g + momentum v). If there is no v,
// p -= rate g.
extern "C" __global__ void sgd(
    REAL* params, REAL* grads, REAL* velocity, const REAL* rate_there, REAL rate_here,
    REAL momentum, bool nesterov, REAL decay, Index size)
{
    THREAD_OR_RETURN(i, size);
    REAL p = params[i], direction = grads[i];
    if (decay != 0) direction += decay * p;
    if (velocity) {
        REAL v = velocity[i] * momentum + direction;
        velocity[i] = v;
        direction = nesterov ? direction + momentum * v : v;
    }
    params[i] = p - direction * number(rate_there, rate_here);
    grads[i] = 0;
}

// p = shrink p; g = dE/dp + decay p; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
// p -= rate m / (sqrt(v) + eps). rest1 and rest2 are 1 - beta1 and 1 - beta2.
extern "C" __global__ void adam(
    REAL* params, REAL* grads, REAL* m, REAL* v, const REAL* rate_there, REAL rate_here,
    const REAL* eps_there, REAL eps_here, const REAL* shrink_there, REAL shrink_here,
    REAL beta1, REAL rest1, REAL beta2, REAL rest2, REAL decay, Index size)
{
    THREAD_OR_RETURN(i, size);
    REAL p = params[i] * number(shrink_there, shrink_here), g = grads[i];
    if (decay != 0) g += decay * p;
    REAL mean = m[i] * beta1 + rest1 * g, square = v[i] * beta2 + g * g * rest2;
    m[i] = mean;
    v[i] = square;
    params[i] = p - mean / (sqrt(square) + number(eps_there, eps_here)) * number(rate_there, rate_here);
    grads[i] = 0;
}

// -- losses

// losses[n] = log sum_k exp(z[n,k]) - z[n,t_n] and dz[k,n] = (softmax(z)[n,k] - onehot(t)[n,k]) scale. A label outside
// [0, K) raises the flag; all who do so write the same.
extern "C" __global__ void softmax_cross_entropy(
    const REAL* z, Index z_n, Index z_k, const Index* labels, REAL* losses, REAL* dz, bool* fault,
    Index N, Index K, REAL scale)
{
    THREAD_OR_RETURN(n, N);
    const REAL* row = z + n * z_n;
    Index t = labels[n];
    bool inside = t >= 0 && t < K;
    if (!inside) *fault = true;
    REAL largest = row[0], total = 0;
    for (Index k = 1; k < K; ++k) {
        REAL value = row[k * z_k];
        if (value > largest || value != value) largest = value;  // NaN goes on into the loss
    }
    for (Index k = 0; k < K; ++k) {
        REAL e = exp(row[k * z_k] - largest);  // the largest exponent is 0: no overflow
        dz[k * N + n] = e;
        total += e;
    }
    for (Index k = 0; k < K; ++k) dz[k * N + n] = (dz[k * N + n] / total - (k == t)) * scale;
    losses[n] = log(total) - (inside ? row[t * z_k] - largest : 0);
}
