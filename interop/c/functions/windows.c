/* A window of size k, step s, padding p and dilation d over C maps H x W; it gives D maps rows x cols, in G groups. */
typedef struct {
    int C, H, W, D, rows, cols, k1, k2, s1, s2, p1, p2, d1, d2, G;
} window;

/* Whether 0 <= i < n */
static inline int inside(int i, int n)
{
    return i >= 0 && i < n;
}

/* The columns under the windows of output row i, side by side: columns[q][c][m], 0 outside of the maps. */
static void columns_of_row(const window *w, const float *x, int i, float *columns)
{
    int C = w->C / w->G, length = (w->cols - 1) * w->s2 + (w->k2 - 1) * w->d2 + 1;
    for (int c = 0; c < C; c++)
        for (int m = 0; m < w->k1; m++) {
            int r = i * w->s1 - w->p1 + m * w->d1;
            const float *row = x + (c * w->H + r) * w->W;
            float *column = columns + c * w->k1 + m;
            for (int q = -w->p2; q < length - w->p2; q++, column += C * w->k1)
                *column = inside(r, w->H) && inside(q, w->W) ? row[q] : 0.0f;
        }
}

/* Convolution: W[g][n][c][m][d], b[D]. Adjacent windows share columns, so each column is copied once per row. */
static void Conv2D(const window *w, const float *x, float *y, float *columns, const weight *W, const float *scale,
                   const float *b)
{
    int G = w->G, D = w->D / G, height = w->C / G * w->k1, area = w->rows * w->cols;
    int run = w->d2 == 1 ? w->k2 : 1; /* columns of a window that are contiguous */
    float *sums = columns + ((w->cols - 1) * w->s2 + (w->k2 - 1) * w->d2 + 1) * height;
    for (int g = 0; g < G; g++, x += w->C / G * w->H * w->W, y += D * area, W += w->k2 * height * D)
        for (int i = 0; i < w->rows; i++) {
            columns_of_row(w, x, i, columns);
            for (int j = 0; j < w->cols; j++) {
                memset(sums, 0, (size_t)D * sizeof *sums);
                for (int n = 0; n < w->k2; n += run)
                    accumulate(sums, columns + (j * w->s2 + n * w->d2) * height, run * height, W + n * height * D, D);
                for (int t = 0; t < D; t++)
                    y[t * area + i * w->cols + j] = completed(sums[t], g * D + t, scale, b);
            }
        }
}

/* Transposed convolution: adds x[c][i][j] W[d][c][m][n] to y[d][i s1 + m d1 - p1][j s2 + n d2 - p2] */
static void ConvTranspose2D(const window *w, const float *x, float *y, const weight *W, const float *scale, const float *b)
{
    int C = w->C / w->G, size = w->k1 * w->k2;
    for (int d = 0; d < w->D; d++, y += w->rows * w->cols) {
        const float *map = x + d / (w->D / w->G) * C * w->H * w->W;
        memset(y, 0, (size_t)(w->rows * w->cols) * sizeof *y);
        for (int c = 0; c < C; c++, W += size)
            for (int i = 0; i < w->H; i++)
                for (int j = 0; j < w->W; j++, map++)
                    for (int k = 0; k < size; k++) {
                        int r = i * w->s1 + k / w->k2 * w->d1 - w->p1, q = j * w->s2 + k % w->k2 * w->d2 - w->p2;
                        if (inside(r, w->rows) && inside(q, w->cols))
                            y[r * w->cols + q] += *map * (float)W[k];
                    }
        for (int t = 0; t < w->rows * w->cols; t++)
            y[t] = completed(y[t], 0, scale ? scale + d : 0, b ? b + d : 0);
    }
}

/* The larger one, or NaN if either is */
static inline float larger(float a, float b)
{
    return b > a || b != b ? b : a;
}

/* The largest value under each window; the padding does not count */
static void MaxPool2D(const window *w, const float *x, float *y)
{
    for (int c = 0; c < w->C; c++, x += w->H * w->W)
        for (int i = 0; i < w->rows; i++)
            for (int j = 0; j < w->cols; j++) {
                float largest = -INFINITY;
                for (int m = 0; m < w->k1; m++)
                    for (int n = 0; n < w->k2; n++) {
                        int r = i * w->s1 - w->p1 + m, q = j * w->s2 - w->p2 + n;
                        if (inside(r, w->H) && inside(q, w->W))
                            largest = larger(largest, x[r * w->W + q]);
                    }
                *y++ = largest;
            }
}

/* The mean of each window, in which the padding counts as 0 */
static void AvgPool2D(const window *w, const float *x, float *y)
{
    for (int c = 0; c < w->C; c++, x += w->H * w->W)
        for (int i = 0; i < w->rows; i++)
            for (int j = 0; j < w->cols; j++) {
                float sum = 0.0f;
                for (int m = 0; m < w->k1; m++)
                    for (int n = 0; n < w->k2; n++) {
                        int r = i * w->s1 - w->p1 + m, q = j * w->s2 - w->p2 + n;
                        if (inside(r, w->H) && inside(q, w->W))
                            sum += x[r * w->W + q];
                    }
                *y++ = sum / (float)(w->k1 * w->k2);
            }
}

/* y[c] = the largest of x[c][area] */
static void GlobalMaxPool(const float *x, float *y, int C, int area)
{
    for (int c = 0; c < C; c++) {
        y[c] = -INFINITY;
        for (int i = 0; i < area; i++)
            y[c] = larger(y[c], *x++);
    }
}

/* y[c] = the mean of x[c][area] */
static void GlobalAvgPool(const float *x, float *y, int C, int area)
{
    for (int c = 0; c < C; c++) {
        float sum = 0.0f;
        for (int i = 0; i < area; i++)
            sum += *x++;
        y[c] = sum / (float)area;
    }
}

/* Each element of x[rows][W] repeated s1 times along its column and s2 times along its row */
static void Upsample2D(const float *x, float *y, int rows, int W, int s1, int s2)
{
    for (int r = 0; r < rows * s1; r++)
        for (int j = 0; j < W * s2; j++)
            *y++ = x[r / s1 * W + j / s2];
}
