// -- pooling: windows of k1 by k2 with strides s1 and s2 on an image with padding p1 and p2

// Images and their strides, and the element of sample n, channel c, row h, column w.
#define IMAGES(T, x) T* x, Index x##_n, Index x##_c, Index x##_h, Index x##_w
#define AT(x, n, c, h, w) x[(n) * x##_n + (c) * x##_c + (h) * x##_h + (w) * x##_w]
#define WINDOW Index k1, Index k2, Index s1, Index s2, Index p1, Index p2

// A thread processes samples n, n + step, n + 2 step, ... of its pixel: computing the address costs more than reading.
#define FOR_SAMPLES for (; n < N; n += step)

// The last of `windows` windows that starts at `place` or before it.
__device__ inline Index last(Index place, Index stride, Index windows) {
    Index i = quotient(place, stride);
    return i < windows ? i : windows - 1;
}

// y[c,i,j] = max_{m,k} x[c, i*s1+m-p1, j*s2+k-p2]; winner = m*k2 + k of the first maximum; the padding never wins.
extern "C" __global__ void max_pool(
    IMAGES(const REAL, x), IMAGES(REAL, y), IMAGES(int, winner),
    Index C, Index H_out, Index W_out, Index N, Index step, Index H, Index W, WINDOW)
{
    THREAD_OR_RETURN(out, C * H_out * W_out * step);
    Index c = out, n = unravel(c, step), j = unravel(c, W_out), i = unravel(c, H_out);
    FOR_SAMPLES {
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
}

// y[c,i,j] = scale sum_{m,k} x[c, i*s1+m-p1, j*s2+k-p2] with padding of 0.
extern "C" __global__ void mean_pool(
    IMAGES(const REAL, x), IMAGES(REAL, y), REAL scale,
    Index C, Index H_out, Index W_out, Index N, Index step, Index H, Index W, WINDOW)
{
    THREAD_OR_RETURN(out, C * H_out * W_out * step);
    Index c = out, n = unravel(c, step), j = unravel(c, W_out), i = unravel(c, H_out);
    FOR_SAMPLES {
        REAL sum = 0;
        for (Index k = 0; k < k2; ++k) {  // columns first: the order of the form for NumPy
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
}

// dx[c,h,w] = sum of scale dy[c,i,j] over the windows (i, j) that contain the pixel; with winners, only over those that
// the pixel won.
extern "C" __global__ void pool_gradient(
    IMAGES(const REAL, dy), IMAGES(const int, winner), REAL scale, IMAGES(REAL, dx),
    Index C, Index H, Index W, Index N, Index step, Index H_out, Index W_out, WINDOW)
{
    THREAD_OR_RETURN(in, C * H * W * step);
    Index c = in, n = unravel(c, step), w = unravel(c, W), h = unravel(c, H);
    Index last_i = last(h + p1, s1, H_out), last_j = last(w + p2, s2, W_out);
    FOR_SAMPLES {
        REAL sum = 0;
        // last window first, which is the window's first element first: the order of the form for NumPy
        for (Index i = last_i; i >= 0 && i * s1 + k1 > h + p1; --i) {
            for (Index j = last_j; j >= 0 && j * s2 + k2 > w + p2; --j) {
                Index place = (h + p1 - i * s1) * k2 + w + p2 - j * s2;
                if (!winner || AT(winner, n, c, i, j) == place) sum += scale * AT(dy, n, c, i, j);
            }
        }
        AT(dx, n, c, h, w) = sum;
    }
}
