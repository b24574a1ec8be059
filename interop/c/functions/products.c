/* y += W x, with W[i][t] for input i and output t. Compilers vectorise the loop over four inputs at a time. */
static void accumulate(float *restrict y, const float *restrict x, int inputs, const weight *restrict W, int outputs)
{
    int i = 0;
    for (; i + 4 <= inputs; i += 4, W += 4 * outputs)
        for (int t = 0; t < outputs; t++)
            y[t] += x[i] * (float)W[t] + x[i + 1] * (float)W[outputs + t]
                  + (x[i + 2] * (float)W[2 * outputs + t] + x[i + 3] * (float)W[3 * outputs + t]);
    for (; i < inputs; i++, W += outputs)
        for (int t = 0; t < outputs; t++)
            y[t] += x[i] * (float)W[t];
}

/* A sum of products with output t's weights, times their scale (0: floating-point weights), plus the bias (0: none). */
static inline float completed(float sum, int t, const float *scale, const float *b)
{
    return (scale ? sum * scale[t] : sum) + (b ? b[t] : 0.0f);
}

/* y = W x + b for each of the rows x[in] */
static void Dense(const float *x, float *y, int rows, int in, int out, const weight *W, const float *scale, const float *b)
{
    for (int r = 0; r < rows; r++, x += in, y += out) {
        memset(y, 0, (size_t)out * sizeof *y);
        accumulate(y, x, in, W, out);
        for (int t = 0; t < out; t++)
            y[t] = completed(y[t], t, scale, b);
    }
}

/* y[n] = row i[n] of W[V][D], for each of the count symbols i[n], which must be 0, ..., V - 1 */
static void Embedding(const int32_t *i, float *y, int count, int D, const weight *W, const float *scale)
{
    for (int n = 0; n < count; n++, y += D)
        for (int t = 0; t < D; t++)
            y[t] = (float)W[i[n] * D + t] * (scale ? scale[i[n]] : 1.0f);
}

/* y[k] = minus the squared distance of x[F] to each of the K centers[k][F] */
static void RBF(const float *x, float *y, int F, int K, const float *centers)
{
    for (int k = 0; k < K; k++) {
        float sum = 0.0f;
        for (int f = 0; f < F; f++) {
            float difference = x[f] - *centers++;
            sum += difference * difference;
        }
        y[k] = -sum;
    }
}
