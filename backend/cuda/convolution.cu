// -- convolution: arrays (H, C, W, N) of rows, channels, columns and samples, contiguous

// y[a,b,c,d] = x[a - a0, b, c - c0, d], 0 outside of x (A, B, C, D).
extern "C" __global__ void pad(
    const REAL* x, Index x_a, Index x_b, Index x_c, Index x_d, Index A, Index B, Index C, Index D, Index a0, Index c0,
    REAL* y, Index y_A, Index y_C, Index step)
{
    THREAD_OR_RETURN(out, y_A * B * y_C * step);
    Index a = out, d = unravel(a, step), c = unravel(a, y_C), b = unravel(a, B);
    REAL* to = y + ((a * B + b) * y_C + c) * D;
    a -= a0;
    c -= c0;
    bool inside = a >= 0 && a < A && c >= 0 && c < C;
    const REAL* from = x + a * x_a + b * x_b + c * x_c;
    for (; d < D; d += step) to[d] = inside ? from[d * x_d] : 0;
}

// Four contiguous elements, read by one instruction.
struct alignas(16) Four { REAL at[4]; };

// x[r,d,(j,n)] = b[d] + sum_{c,m,k} K[d,c,m,k] o[r + m d1, c, (j + k d2, n)], without writing im2col's columns. A
// thread computes the outputs of KERNELS kernels at PLACES positions. All threads of a block have the same kernels, and
// load their weights into shared memory. PARTS threads split an output's sum: of every AT_ONCE terms, thread p sums the
// p-th share. b may be null.
#define KERNELS 8
#define SIDE_BY_SIDE 128
template <int PLACES, int PARTS> __device__ inline void correlate(
    const REAL* __restrict__ o, const REAL* __restrict__ K, Index K_d, Index K_c, Index K_m, Index K_k,
    const REAL* __restrict__ b, REAL* __restrict__ x, Index C, Index W, Index N, Index k1, Index k2, Index d1, Index d2,
    Index D, Index rows, Index cols)
{
    const int AT_ONCE = 64, SHARE = AT_ONCE / PARTS, TOGETHER = 16 / PLACES;  // reads in flight at a time
    __shared__ Four weights[AT_ONCE][KERNELS / 4];
    __shared__ Index offsets[AT_ONCE];
    __shared__ REAL shares[PARTS > 1 ? PARTS - 1 : 1][KERNELS][SIDE_BY_SIDE];
    int thread = threadIdx.x % SIDE_BY_SIDE, part = threadIdx.x / SIDE_BY_SIDE;
    Index chunk = blockIdx.x, d = unravel(chunk, (D + KERNELS - 1) / KERNELS) * KERNELS;
    Index line = cols * N, places = rows * line, terms = C * k1 * k2;
    Index at[PLACES], from[PLACES];
    REAL sums[PLACES][KERNELS];
#pragma unroll
    for (int p = 0; p < PLACES; ++p) {
        Index place = (chunk * PLACES + p) * SIDE_BY_SIDE + thread, row = place < places ? place : places - 1;
        Index along = unravel(row, line);
        at[p] = place < places ? (row * D + d) * line + along : -1;
        from[p] = row * C * W * N + along;
#pragma unroll
        for (int e = 0; e < KERNELS; ++e) sums[p][e] = b && part == 0 && d + e < D ? b[d + e] : 0;
    }
    for (Index first = 0; first < terms; first += AT_ONCE) {
        int count = terms - first < AT_ONCE ? (int)(terms - first) : AT_ONCE;
        for (int i = threadIdx.x; i < AT_ONCE * KERNELS; i += SIDE_BY_SIDE * PARTS) {
            int term = i / KERNELS, e = i % KERNELS;
            Index c = first + term, k = unravel(c, k2), m = unravel(c, k1);
            bool there = term < count && d + e < D;
            weights[term][e / 4].at[e % 4] = there ? K[(d + e) * K_d + c * K_c + m * K_m + k * K_k] : 0;
            if (e == 0) offsets[term] = term < count ? ((m * d1 * C + c) * W + k * d2) * N : 0;
        }
        __syncthreads();
        for (int start = part * SHARE; start < count && start < (part + 1) * SHARE; start += TOGETHER) {
            REAL values[TOGETHER][PLACES];
#pragma unroll
            for (int i = 0; i < TOGETHER; ++i) {
#pragma unroll
                for (int p = 0; p < PLACES; ++p) values[i][p] = start + i < count ? o[from[p] + offsets[start + i]] : 0;
            }
#pragma unroll
            for (int i = 0; i < TOGETHER; ++i) {
#pragma unroll
                for (int e = 0; e < KERNELS; ++e) {
                    REAL weight = weights[start + i][e / 4].at[e % 4];
#pragma unroll
                    for (int p = 0; p < PLACES; ++p) sums[p][e] += weight * values[i][p];
                }
            }
        }
        __syncthreads();
    }
    if (PARTS > 1) {  // then PLACES is 1
#pragma unroll
        for (int e = 0; e < KERNELS; ++e)
            if (part > 0) shares[part - 1][e][thread] = sums[0][e];
        __syncthreads();
        if (part > 0) return;
#pragma unroll
        for (int e = 0; e < KERNELS; ++e)
            for (int other = 1; other < PARTS; ++other) sums[0][e] += shares[other - 1][e][thread];
    }
#pragma unroll
    for (int p = 0; p < PLACES; ++p) {
#pragma unroll
        for (int e = 0; e < KERNELS; ++e) {
            if (at[p] >= 0 && d + e < D) x[at[p] + e * line] = sums[p][e];
        }
    }
}

#define CORRELATE                                                                                                     \
    const REAL *o, const REAL *K, Index K_d, Index K_c, Index K_m, Index K_k, const REAL *b, REAL *x, Index C,        \
        Index W, Index N, Index k1, Index k2, Index d1, Index d2, Index D, Index rows, Index cols
#define CORRELATED o, K, K_d, K_c, K_m, K_k, b, x, C, W, N, k1, k2, d1, d2, D, rows, cols

extern "C" __global__ void correlate_1(CORRELATE) { correlate<1, 4>(CORRELATED); }
extern "C" __global__ void correlate_4(CORRELATE) { correlate<4, 1>(CORRELATED); }

// Partial sums s = 0..S-1: parts[(d,(c,m,k)),s] = sum of delta[r,d,(j,n)] o[r + m d1, c, (j + k d2, n)], followed by
// parts[d,s] = sum of delta[r,d,(j,n)]. Each row is cut into `pieces` chunks, and partial sum s takes every S-th chunk.
// A warp computes KERNELS by TERMS of them: each thread sums over every 32nd position, then the 32 sums are added.
#define TERMS 8
extern "C" __global__ void kernel_gradient(
    const REAL* __restrict__ o, const REAL* __restrict__ delta, REAL* __restrict__ parts, Index C, Index W, Index N,
    Index k1, Index k2, Index d1, Index d2, Index D, Index rows, Index cols, Index pieces, Index S)
{
    __shared__ REAL turned[4][32][33];
    Index terms = C * k1 * k2, line = cols * N, piece = (line + pieces - 1) / pieces, lane = threadIdx.x % 32;
    Index s = ((Index)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    Index first = unravel(s, terms / TERMS + 1) * TERMS, d = unravel(s, (D + KERNELS - 1) / KERNELS) * KERNELS;
    Index from[TERMS], row_of[KERNELS];
    REAL sums[KERNELS][TERMS] = {};
#pragma unroll
    for (int e = 0; e < KERNELS; ++e) row_of[e] = (d + e < D ? d + e : D - 1) * line;
#pragma unroll
    for (int e = 0; e < TERMS; ++e) {
        Index c = first + e < terms ? first + e : 0, k = unravel(c, k2), m = unravel(c, k1);
        from[e] = ((m * d1 * C + c) * W + k * d2) * N;
    }
    for (Index part = s; part < rows * pieces; part += S) {
        Index row = part, start = unravel(row, pieces) * piece, end = start + piece < line ? start + piece : line;
        const REAL *to_delta = delta + row * D * line, *to_o = o + row * C * W * N;
#pragma unroll 2
        for (Index place = start + lane; place < end; place += 32) {
            REAL values[TERMS];
#pragma unroll
            for (int e = 0; e < TERMS; ++e) values[e] = first + e < terms ? to_o[place + from[e]] : (REAL)1;
#pragma unroll
            for (int f = 0; f < KERNELS; ++f) {
                REAL value = to_delta[place + row_of[f]];
#pragma unroll
                for (int e = 0; e < TERMS; ++e) sums[f][e] += value * values[e];
            }
        }
    }
    REAL(*mine)[33] = turned[threadIdx.x / 32];
#pragma unroll
    for (int half = 0; half < KERNELS * TERMS; half += 32) {
#pragma unroll
        for (int i = 0; i < 32; ++i) mine[i][lane] = sums[(half + i) / TERMS][(half + i) % TERMS];
        __syncthreads();
        Index f = d + (half + lane) / TERMS, term = first + lane % TERMS;
        REAL sum = 0;
        for (int i = 0; i < 32; ++i) sum += mine[lane][i];
        if (s < S && f < D && term <= terms) parts[(term < terms ? f * terms + term : D * terms + f) * S + s] = sum;
        __syncthreads();
    }
}

// The same for many kernels: a block computes 32 kernels by 64 terms, each thread 4 by 4 of them. It loads STEP
// positions at a time into shared memory, for all of its threads.
#define STEP 32
extern "C" __global__ void wide_kernel_gradient(
    const REAL* __restrict__ o, const REAL* __restrict__ delta, REAL* __restrict__ parts, Index C, Index W, Index N,
    Index k1, Index k2, Index d1, Index d2, Index D, Index rows, Index cols, Index pieces, Index S)
{
    __shared__ Four left[STEP][9], right[STEP][17];  // padded by one against bank conflicts
    Index terms = C * k1 * k2, line = cols * N, piece = (line + pieces - 1) / pieces;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, mine = threadIdx.x % 8, other = threadIdx.x / 8;
    Index s = blockIdx.x, first = unravel(s, terms / 64 + 1) * 64, d = unravel(s, (D + 31) / 32) * 32;
    Index row_of[2][4], from[4][4];
    REAL sums[4][4] = {};
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        Index kernel = d + (warp + e / 4 * 4) * 4 + e % 4;
        row_of[e / 4][e % 4] = kernel < D ? kernel * line : -1;
    }
#pragma unroll
    for (int e = 0; e < 16; ++e) {
        Index term = first + (warp + e / 4 * 4) * 4 + e % 4, c = term, k = unravel(c, k2), m = unravel(c, k1);
        from[e / 4][e % 4] = term < terms ? ((m * d1 * C + c) * W + k * d2) * N : term == terms ? -1 : -2;
    }
    for (Index part = s; part < rows * pieces; part += S) {
        Index row = part, start = unravel(row, pieces) * piece, end = start + piece < line ? start + piece : line;
        const REAL *to_delta = delta + row * D * line, *to_o = o + row * C * W * N;
        for (; start < end; start += STEP) {
            Index place = start + lane;
            bool inside = place < end;
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                Four four;
#pragma unroll
                for (int f = 0; f < 4; ++f)
                    four.at[f] = inside && row_of[e][f] >= 0 ? to_delta[place + row_of[e][f]] : 0;
                left[lane][warp + 4 * e] = four;
            }
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                Four four;
#pragma unroll
                for (int f = 0; f < 4; ++f)
                    four.at[f] = inside && from[e][f] >= 0 ? to_o[place + from[e][f]] : from[e][f] == -1;
                right[lane][warp + 4 * e] = four;
            }
            __syncthreads();
#pragma unroll 8
            for (int i = 0; i < STEP; ++i) {
                Four a = left[i][mine], b = right[i][other];
#pragma unroll
                for (int f = 0; f < 4; ++f) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) sums[f][e] += a.at[f] * b.at[e];
                }
            }
            __syncthreads();
        }
    }
#pragma unroll
    for (int f = 0; f < 4; ++f) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            Index kernel = d + mine * 4 + f, term = first + other * 4 + e;
            if (kernel < D && term <= terms)
                parts[(term < terms ? kernel * terms + term : D * terms + kernel) * S + s] = sums[f][e];
        }
    }
}

// out[c,r,w] += sum of lines[g,r,(c,k),(j,n)] over the k and j with j*s + k*d = w. lines is contiguous, of shape
// (C/channels, H, channels*K, columns*N); out is the region of the images that the columns were copied from.
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
