/* tanh(x) up to 4e-7, as x times a quotient of polynomials in x^2; faster than the C library's, and without tables */
static inline float tangent(float x)
{
    float z = x > 9.0f ? 9.0f : x < -9.0f ? -9.0f : x, u = z * z;
    float p = 1.33543825e-08f * u + 2.0608884e-05f, q = 7.776445e-07f * u + 0.00032856152f;
    p = ((p * u + 0.0034955763f) * u + 0.13381016f) * u + 1.0f;
    q = ((q * u + 0.025876937f) * u + 0.46714333f) * u + 1.0f;
    return z * p / q;
}

/* 1 / (1 + exp(-x)), which never overflows */
static inline float logistic(float x)
{
    return 0.5f * tangent(0.5f * x) + 0.5f;
}

static inline float clipped(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static void Tanh(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = tangent(x[i]);
}

static void ScaledTanh(const float *x, float *y, int n, float amplitude, float slope)
{
    for (int i = 0; i < n; i++)
        y[i] = amplitude * tangent(slope * x[i]);
}

static void Sigmoid(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = logistic(x[i]);
}

static void ReLU(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

static void LeakyReLU(const float *x, float *y, int n, float slope)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}

/* x[C][area], with a slope alpha for each of the C channels */
static void PReLU(const float *x, float *y, int C, int area, const float *alpha)
{
    for (int c = 0; c < C; c++, x += area, y += area)
        for (int i = 0; i < area; i++)
            y[i] = x[i] > 0.0f ? x[i] : alpha[c] * x[i];
}

static void Clip(const float *x, float *y, int n, float low, float high)
{
    for (int i = 0; i < n; i++)
        y[i] = clipped(x[i], low, high);
}

static void HardSigmoid(const float *x, float *y, int n, float slope, float offset)
{
    for (int i = 0; i < n; i++)
        y[i] = clipped(slope * x[i] + offset, 0.0f, 1.0f);
}

static void HardSwish(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * clipped(x[i] / 6.0f + 0.5f, 0.0f, 1.0f);
}

static void ELU(const float *x, float *y, int n, float alpha)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : alpha * expm1f(x[i]);
}

static void SiLU(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * logistic(x[i]);
}

static void GELU(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}

static void GELU_tanh(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++) {
        float z = clipped(x[i], -30.0f, 30.0f);
        y[i] = 0.5f * x[i] * (1.0f + tangent(0.79788456f * (z + 0.044715f * z * z * z)));
    }
}

static void Softplus(const float *x, float *y, int n, float beta, float threshold)
{
    for (int i = 0; i < n; i++) {
        float z = beta * x[i];
        y[i] = z > threshold ? x[i] : ((z > 0.0f ? z : 0.0f) + log1pf(expf(-fabsf(z)))) / beta;
    }
}

/* For each of the rows x[n]; the largest exponent is 0, so none overflows */
static void Softmax(const float *x, float *y, int rows, int n)
{
    for (int r = 0; r < rows; r++, x += n, y += n) {
        float largest = x[0], sum = 0.0f;
        for (int i = 1; i < n; i++)
            largest = x[i] > largest ? x[i] : largest;
        for (int i = 0; i < n; i++)
            sum += y[i] = expf(x[i] - largest);
        for (int i = 0; i < n; i++)
            y[i] /= sum;
    }
}

static void LogSoftmax(const float *x, float *y, int rows, int n)
{
    for (int r = 0; r < rows; r++, x += n, y += n) {
        float largest = x[0], sum = 0.0f;
        for (int i = 1; i < n; i++)
            largest = x[i] > largest ? x[i] : largest;
        for (int i = 0; i < n; i++)
            sum += expf(x[i] - largest);
        for (int i = 0; i < n; i++)
            y[i] = x[i] - largest - logf(sum);
    }
}

/* (x - mean) factor + beta for each channel of x[C][area]; a null mean counts as 0 */
static void PerChannel(const float *x, float *y, int C, int area, const float *mean, const float *factor, const float *beta)
{
    for (int c = 0; c < C; c++, x += area, y += area)
        for (int i = 0; i < area; i++)
            y[i] = (x[i] - (mean ? mean[c] : 0.0f)) * factor[c] + beta[c];
}

/* Normalise each of the rows x[n] to mean 0 and variance 1, times gamma[n] (null: 1), plus beta[n] (null: 0) */
static void LayerNorm(const float *x, float *y, int rows, int n, float eps, const float *gamma, const float *beta)
{
    for (int r = 0; r < rows; r++, x += n, y += n) {
        float mean = 0.0f, var = 0.0f;
        for (int i = 0; i < n; i++)
            mean += x[i];
        mean /= (float)n;
        for (int i = 0; i < n; i++)
            var += (x[i] - mean) * (x[i] - mean);
        float factor = 1.0f / sqrtf(var / (float)n + eps);
        for (int i = 0; i < n; i++)
            y[i] = (x[i] - mean) * factor * (gamma ? gamma[i] : 1.0f) + (beta ? beta[i] : 0.0f);
    }
}
