/* Convert pixels[C][H][W] from 0 to 255 to (pixel / 255 - mean) / std. Each fills factor x factor elements, beginning
   at (top, left), of maps rows x cols whose border is black. x[c][i][j] is at c channel + i row + j. */
static void standardise(const uint8_t *pixels, float *x, int C, int H, int W, int rows, int cols, int factor, int top,
                        int left, int channel, int row, const float *mean, const float *std)
{
    for (int c = 0; c < C; c++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < cols; j++) {
                int r = i - top, q = j - left, within = r >= 0 && r < H * factor && q >= 0 && q < W * factor;
                float pixel = within ? (float)pixels[(c * H + r / factor) * W + q / factor] / 255.0f : 0.0f;
                x[c * channel + i * row + j] = (pixel - mean[c]) / std[c];
            }
}
