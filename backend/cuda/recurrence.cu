// -- Elman's recurrence: a block processes all steps of a sample, with W_h in its threads' registers

#define MOST_UNITS 192

// Unit i's sum is sum_k W[k,i] vector[k]. A thread computes SHARE of its H terms; H neighbouring threads compute the
// same terms for all units, so that they read neighbouring elements of W.
template <int SHARE> struct Unit {
    int H, i, first;
    bool head;
    REAL weights[SHARE];

    __device__ Unit(const REAL* W, int parts) : H(blockDim.x / parts), i(threadIdx.x % H), first(threadIdx.x / H * SHARE) {
        head = first == 0;
#pragma unroll
        for (int k = 0; k < SHARE; ++k) weights[k] = first + k < H ? W[(first + k) * H + i] : 0;
    }
    // The thread's share of the sum.
    __device__ REAL share(const REAL* vector) const {
        REAL sum = 0;
#pragma unroll
        for (int k = 0; k < SHARE; ++k) sum += weights[k] * vector[first + k];
        return sum;
    }
    // The whole sum, once every thread has stored its share.
    __device__ REAL total(const REAL* shares, int parts) const {
        REAL sum = 0;
        for (int part = 0; part < parts; ++part) sum += shares[part * H + i];
        return sum;
    }
};

// h[t+1,n] = tanh(a[t,n] + W_h h[t,n]) for t = 0 to T - 1; W is W_h^T.
template <int SHARE> __device__ inline void elman(const REAL* a, REAL* h, const REAL* W, Index N, Index T, int parts) {
    __shared__ REAL state[MOST_UNITS + SHARE], shares[4 * MOST_UNITS];
    Unit<SHARE> unit(W, parts);
    Index row = blockIdx.x * unit.H + unit.i, step = N * unit.H;
    REAL next = unit.head ? a[row] : 0;
    if (unit.head) state[unit.i] = h[row];
    for (int k = threadIdx.x; k < SHARE; k += blockDim.x) state[unit.H + k] = 0;
    __syncthreads();
    for (Index t = 0; t < T; ++t, row += step) {
        REAL sum = next;
        if (unit.head && t + 1 < T) next = a[row + step];  // read ahead to hide the latency
        shares[threadIdx.x] = unit.share(state);
        __syncthreads();
        if (unit.head) state[unit.i] = h[row + step] = tanh(sum + unit.total(shares, parts));
        __syncthreads();
    }
}

// delta[t,n] = (dh + dh_rows[t,n]) (1 - h[t+1,n]^2), dh = W_h^T delta[t,n] for t = T - 1 to 0; dh_rows may be null.
template <int SHARE> __device__ inline void elman_gradient(
    const REAL* h, const REAL* dh_rows, REAL* dh, REAL* delta, const REAL* W, Index N, Index T, int parts)
{
    __shared__ REAL vector[MOST_UNITS + SHARE], shares[4 * MOST_UNITS];
    Unit<SHARE> unit(W, parts);
    Index start = blockIdx.x * unit.H + unit.i, step = N * unit.H, row = start + (T - 1) * step;
    REAL gradient = unit.head ? dh[start] : 0, next = unit.head ? h[row + step] : 0;
    for (int k = threadIdx.x; k < SHARE; k += blockDim.x) vector[unit.H + k] = 0;
    for (Index t = T; t > 0; --t, row -= step) {
        if (unit.head) {
            REAL now = next;
            next = h[row];  // read ahead to hide the latency
            if (dh_rows) gradient += dh_rows[row];
            vector[unit.i] = delta[row] = (1 - now * now) * gradient;
        }
        __syncthreads();
        shares[threadIdx.x] = unit.share(vector);
        __syncthreads();
        if (unit.head) gradient = unit.total(shares, parts);
    }
    if (unit.head) dh[start] = gradient;
}

#define ELMAN const REAL *a, REAL *h, const REAL *W, Index N, Index T, Index parts
#define ELMAN_GRADIENT \
    const REAL *h, const REAL *dh_rows, REAL *dh, REAL *delta, const REAL *W, Index N, Index T, Index parts

extern "C" __global__ void __launch_bounds__(512) elman_32(ELMAN) { elman<32>(a, h, W, N, T, (int)parts); }
extern "C" __global__ void __launch_bounds__(768) elman_48(ELMAN) { elman<48>(a, h, W, N, T, (int)parts); }
extern "C" __global__ void __launch_bounds__(512) elman_gradient_32(ELMAN_GRADIENT) {
    elman_gradient<32>(h, dh_rows, dh, delta, W, N, T, (int)parts);
}
extern "C" __global__ void __launch_bounds__(768) elman_gradient_48(ELMAN_GRADIENT) {
    elman_gradient<48>(h, dh_rows, dh, delta, W, N, T, (int)parts);
}
