// -- activations: f is given by its index below, with constants p and q

enum { SIGMOID, TANH, SCALED_TANH, RELU, LEAKY_RELU };

// y = f(z + b); b has one element for each row of z, or is null.
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

// f'(z) from a = f(z); for LEAKY_RELU, whose q may be negative, from z itself.
__device__ inline REAL slope(Index f, REAL x, REAL p, REAL q) {
    return f == SIGMOID       ? x * (1 - x)
           : f == TANH        ? 1 - x * x
           : f == SCALED_TANH ? q * (p - x * x / p)
           : x > 0            ? (REAL)1
           : f == RELU        ? (REAL)0
                              : q;
}

// delta = dy f'(z).
extern "C" __global__ void activation_gradient(
    Index f, const REAL* a, const REAL* dy, REAL* delta, REAL p, REAL q, Index size)
{
    THREAD_OR_RETURN(i, size);
    delta[i] = dy[i] * slope(f, a[i], p, q);
}

// delta = dy f'(z) and db[r] += sum_n delta[r,n], a block per row.
extern "C" __global__ void activation_gradients(
    Index f, const REAL* a, const REAL* dy, REAL* delta, REAL p, REAL q, REAL* db, Index columns)
{
    Index row = blockIdx.x, start = row * columns;
    REAL sum = 0;
    for (Index n = threadIdx.x; n < columns; n += blockDim.x) {
        REAL value = dy[start + n] * slope(f, a[start + n], p, q);
        delta[start + n] = value;
        sum += value;
    }
    sum = block_sum(sum, 1);
    if (threadIdx.x == 0) db[row] += sum;
}

// out[r] = keep out[r] + sum_n x[r,n]: a block sums at_once rows, with blockDim.x / at_once threads for each.
extern "C" __global__ void row_sums(
    const REAL* x, Index x_r, Index x_n, REAL* out, Index rows, Index columns, Index at_once, REAL keep)
{
    Index row = blockIdx.x * at_once + threadIdx.x % at_once;
    REAL sum = 0;
#pragma unroll 8
    for (Index n = threadIdx.x / at_once; row < rows && n < columns; n += blockDim.x / at_once)
        sum += x[row * x_r + n * x_n];
    sum = block_sum(sum, (int)at_once);
    if (threadIdx.x < at_once && row < rows) out[row] = (keep != 0 ? keep * out[row] : 0) + sum;
}

// -- optimisers: a thread updates one element of the flat vectors and clears its gradient

// g = dE/dp + decay p; v = momentum v + g; p -= rate v, with Nesterov p -= rate (g + momentum v). If v is null,
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

// losses[n] = (log sum_k exp(z[n,k]) - z[n,t_n]) w_n / sum w and dz[k,n] = (softmax(z)[n,k] - onehot(t)[n,k]) w_n / sum w,
// where w_n is 0 for a label to be ignored, else 1 if weights is null. Another label outside [0, K) sets the flag; all
// threads that do so write the same value.
extern "C" __global__ void softmax_cross_entropy(
    const REAL* z, Index z_n, Index z_k, const long long* labels, const REAL* weights, REAL* losses, REAL* dz,
    bool* fault, Index N, Index K, Index ignore)
{
    REAL own = 0;
    for (Index i = threadIdx.x; i < N; i += blockDim.x) own += labels[i] != ignore ? (weights ? weights[i] : 1) : 0;
    own = block_sum(own, 1);
    __shared__ REAL sum;
    if (threadIdx.x == 0) sum = own;
    __syncthreads();
    THREAD_OR_RETURN(n, N);
    const REAL* row = z + n * z_n;
    long long t = labels[n];
    bool kept = t != ignore, inside = t >= 0 && t < K;
    if (kept && !inside) *fault = true;
    REAL scale = kept && sum != 0 ? (weights ? weights[n] : 1) / sum : 0;
    REAL largest = row[0], total = 0;
    for (Index k = 1; k < K; ++k) {
        REAL value = row[k * z_k];
        if (value > largest || value != value) largest = value;  // NaN propagates to the loss
    }
    for (Index k = 0; k < K; ++k) {
        REAL e = exp(row[k * z_k] - largest);  // the largest exponent is 0: no overflow
        dz[k * N + n] = e;
        total += e;
    }
    for (Index k = 0; k < K; ++k) dz[k * N + n] = (dz[k * N + n] / total - (k == t)) * scale;
    losses[n] = scale != 0 ? (log(total) - (inside ? row[t * z_k] - largest : 0)) * scale : 0;
}
