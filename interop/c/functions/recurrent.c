/* Reads x[steps][I], whose rows are x_step apart. The state h[H] is read at the start and written at the end. y_step is
   the distance between states in y; 0 for the last state only. work has room for 2 H. */
static void RNN(const float *x, int x_step, float *y, int y_step, float *h, float *work, int steps, int I, int H,
                const weight *W_x, const float *scale_x, const weight *W_h, const float *scale_h, const float *b)
{
    float *a = work, *u = work + H;
    for (int s = 0; s < steps; s++, x += x_step, y += y_step) {
        Dense(x, a, 1, I, H, W_x, scale_x, b);
        Dense(h, u, 1, H, H, W_h, scale_h, 0);
        for (int k = 0; k < H; k++)
            y[k] = h[k] = tangent(a[k] + u[k]);
    }
}

/* Like RNN, with the state h[H], c[H], the gates i, f, g, o, and room for 8 H */
static void LSTM(const float *x, int x_step, float *y, int y_step, float *h, float *work, int steps, int I, int H,
                 const weight *W_x, const float *scale_x, const weight *W_h, const float *scale_h, const float *b)
{
    float *a = work, *u = work + 4 * H, *c = h + H;
    for (int s = 0; s < steps; s++, x += x_step, y += y_step) {
        Dense(x, a, 1, I, 4 * H, W_x, scale_x, b);
        Dense(h, u, 1, H, 4 * H, W_h, scale_h, 0);
        for (int k = 0; k < H; k++) {
            float i = logistic(a[k] + u[k]), f = logistic(a[H + k] + u[H + k]);
            float g = tangent(a[2 * H + k] + u[2 * H + k]), o = logistic(a[3 * H + k] + u[3 * H + k]);
            c[k] = f * c[k] + i * g;
            y[k] = h[k] = o * tangent(c[k]);
        }
    }
}

/* Like RNN, with the gates r, z, n, the bias b_h[3 H] of the state's products, and room for 6 H */
static void GRU(const float *x, int x_step, float *y, int y_step, float *h, float *work, int steps, int I, int H,
                const weight *W_x, const float *scale_x, const weight *W_h, const float *scale_h, const float *b,
                const float *b_h)
{
    float *a = work, *u = work + 3 * H;
    for (int s = 0; s < steps; s++, x += x_step, y += y_step) {
        Dense(x, a, 1, I, 3 * H, W_x, scale_x, b);
        Dense(h, u, 1, H, 3 * H, W_h, scale_h, b_h);
        for (int k = 0; k < H; k++) {
            float r = logistic(a[k] + u[k]), z = logistic(a[H + k] + u[H + k]);
            float n = tangent(a[2 * H + k] + r * u[2 * H + k]);
            y[k] = h[k] = (1.0f - z) * n + z * h[k];
        }
    }
}
