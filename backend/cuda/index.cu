// Fused kernels: each does in one launch what NumPy does in several operations. The Python files of this folder launch
// them; forms.py lists the equations that they compute. The .cu files are compiled as one, this file first.
//
// REAL (float or double) and INDEX (int, or long long if an array is longer) are compiler options. No two threads write
// to the same address, and every sum has a fixed order, so a repeated run gives the same bits. Neighbouring threads
// process neighbouring samples, which are contiguous in memory.

#ifndef INDEX
#define INDEX long long
#endif
typedef INDEX Index;

#define THREAD_OR_RETURN(i, size)                                \
    Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x;      \
    if (i >= (size)) return

// A GPU divides 32 bits several times as fast as 64.
__device__ inline Index quotient(Index a, Index b) {
    return sizeof(Index) > 4 && (long long)(a | b) >> 32 ? a / b : (Index)((unsigned)a / (unsigned)b);
}

// Splits a flat index: returns the index along the last axis, and leaves in i the flat index of the axes before it.
__device__ inline Index unravel(Index& i, Index length) {
    Index rest = quotient(i, length), place = i - rest * length;
    i = rest;
    return place;
}

// A number that may change from step to step: read from an address in a captured step, else passed by value.
__device__ inline REAL number(const REAL* there, REAL here) { return there ? *there : here; }

// The sum of `mine` over a block's threads with the same threadIdx.x % apart, returned to the first `apart` threads.
// The number of threads and `apart` are powers of two.
__device__ inline REAL block_sum(REAL mine, int apart) {
    __shared__ REAL sums[1024];
    int thread = threadIdx.x;
    sums[thread] = mine;
    __syncthreads();
    for (int half = blockDim.x / 2; half >= apart; half /= 2) {
        if (thread < half) sums[thread] += sums[thread + half];
        __syncthreads();
    }
    return sums[thread];
}
