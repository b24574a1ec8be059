/* Four axes: their lengths n, and the step from one element to the next in a and b, 0 where it is repeated */
typedef struct {
    int n[4], a[4], b[4];
} pairs;

static void Add(const pairs *p, const float *a, const float *b, float *y)
{
    for (int i = 0; i < p->n[0]; i++)
        for (int j = 0; j < p->n[1]; j++)
            for (int k = 0; k < p->n[2]; k++)
                for (int l = 0; l < p->n[3]; l++)
                    *y++ = a[i * p->a[0] + j * p->a[1] + k * p->a[2] + l * p->a[3]]
                         + b[i * p->b[0] + j * p->b[1] + k * p->b[2] + l * p->b[3]];
}

static void Multiply(const pairs *p, const float *a, const float *b, float *y)
{
    for (int i = 0; i < p->n[0]; i++)
        for (int j = 0; j < p->n[1]; j++)
            for (int k = 0; k < p->n[2]; k++)
                for (int l = 0; l < p->n[3]; l++)
                    *y++ = a[i * p->a[0] + j * p->a[1] + k * p->a[2] + l * p->a[3]]
                         * b[i * p->b[0] + j * p->b[1] + k * p->b[2] + l * p->b[3]];
}

/* The elements of x, whose steps are p->a, in the order of y's axes */
static void Permute(const pairs *p, const float *x, float *y)
{
    for (int i = 0; i < p->n[0]; i++)
        for (int j = 0; j < p->n[1]; j++)
            for (int k = 0; k < p->n[2]; k++)
                for (int l = 0; l < p->n[3]; l++)
                    *y++ = x[i * p->a[0] + j * p->a[1] + k * p->a[2] + l * p->a[3]];
}

/* Copy x[rows][n] into the rows of y, which are step apart */
static void Copy(const float *x, float *y, int rows, int n, int step)
{
    for (int r = 0; r < rows; r++)
        memcpy(y + r * step, x + r * n, (size_t)n * sizeof *y);
}
