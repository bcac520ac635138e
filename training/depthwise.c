/* Depthwise convolutions of bfloat16 images in channels-last order with float32 weights, and their gradients.

   Shapes: x, gx (B, H, W, C) and y, g (B, OH, OW, C) bfloat16; w, gw (K * K, C) and bias (C) float; C a multiple of 16;
   scratch 32 * (H + 2 * P) * (W + 2 * P) floats. S is the stride, P the padding. gw is added to; gx may be null. */
#include <stdint.h>
#include <string.h>

typedef float f16v __attribute__((vector_size(64), aligned(4)));
typedef uint32_t u16v __attribute__((vector_size(64)));
typedef uint16_t h16v __attribute__((vector_size(32), aligned(2)));

static inline f16v widen(const uint16_t *p) { return (f16v)(__builtin_convertvector(*(const h16v *)p, u16v) << 16); }

static inline h16v narrow(f16v v) { /* to the nearest, ties to even */
    u16v bits = (u16v)v;
    return __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, h16v);
}

#define INLINE static inline __attribute__((always_inline)) /* so that K and S are constants of the loops */
#define AT(array, width, y, x) ((array) + ((long)(y) * (width) + (x)) * 16)

/* 16 channels of one image in a padded float32 buffer. */
INLINE void read_padded(const uint16_t *x, float *in, int H, int W, int C, int P) {
    for (int y = 0; y < H; y++)
        for (int q = 0; q < W; q++) *(f16v *)AT(in, W + 2 * P, y + P, q + P) = widen(x + ((long)y * W + q) * C);
}

INLINE void forward(const int K, const int S, const uint16_t *x, const float *w, const float *bias, uint16_t *y, float *in,
                    int B, int H, int W, int C, int OH, int OW, int P) {
    const int PW = W + 2 * P;
    for (int c = 0; c < C; c += 16) {
        f16v weight[K * K];
        for (int t = 0; t < K * K; t++) weight[t] = *(const f16v *)(w + (long)t * C + c);
        for (int b = 0; b < B; b++) {
            read_padded(x + (long)b * H * W * C + c, in, H, W, C, P);
            for (int r = 0; r < OH; r++)
                for (int q = 0; q < OW; q++) {
                    const float *a = AT(in, PW, r * S, q * S);
                    f16v sum = *(const f16v *)(bias + c);
                    for (int i = 0; i < K; i++) {
                        f16v row = weight[i * K] * *(const f16v *)AT(a, PW, i, 0);
                        for (int j = 1; j < K; j++) row += weight[i * K + j] * *(const f16v *)AT(a, PW, i, j);
                        sum += row;
                    }
                    *(h16v *)(y + (((long)b * OH + r) * OW + q) * C + c) = narrow(sum);
                }
        }
    }
}

INLINE void gradients(const int K, const int S, const uint16_t *x, const uint16_t *g, const float *w, uint16_t *gx, float *gw,
                      float *in, int B, int H, int W, int C, int OH, int OW, int P) {
    const int PW = W + 2 * P;
    const long size = (long)(H + 2 * P) * PW * 16;
    float *out = in + size;
    for (int c = 0; c < C; c += 16) {
        f16v sum[K * K], weight[K * K];
        for (int t = 0; t < K * K; t++)
            sum[t] = *(const f16v *)(gw + (long)t * C + c), weight[t] = *(const f16v *)(w + (long)t * C + c);
        for (int b = 0; b < B; b++) {
            read_padded(x + (long)b * H * W * C + c, in, H, W, C, P);
            const uint16_t *grad = g + (long)b * OH * OW * C + c;
            for (int r = 0; r < OH; r++)
                for (int q = 0; q < OW; q++) {
                    const f16v v = widen(grad + ((long)r * OW + q) * C);
                    const float *a = AT(in, PW, r * S, q * S);
                    for (int i = 0; i < K; i++)
                        for (int j = 0; j < K; j++) sum[i * K + j] += v * *(const f16v *)AT(a, PW, i, j);
                }
            if (!gx) continue;
            memset(out, 0, size * sizeof(float));
            for (int r = 0; r < OH; r++)
                for (int q = 0; q < OW; q++) {
                    const f16v v = widen(grad + ((long)r * OW + q) * C);
                    float *a = AT(out, PW, r * S, q * S);
                    for (int i = 0; i < K; i++)
                        for (int j = 0; j < K; j++) *(f16v *)AT(a, PW, i, j) += v * weight[i * K + j];
                }
            for (int y = 0; y < H; y++)
                for (int q = 0; q < W; q++)
                    *(h16v *)(gx + (((long)b * H + y) * W + q) * C + c) = narrow(*(f16v *)AT(out, PW, y + P, q + P));
        }
        for (int t = 0; t < K * K; t++) *(f16v *)(gw + (long)t * C + c) = sum[t];
    }
}

#define FOR_EACH_KERNEL(call) \
    memset(scratch, 0, 32L * (H + 2 * P) * (W + 2 * P) * sizeof(float)); \
    if (K == 3 && S == 1) call(3, 1); \
    else if (K == 3 && S == 2) call(3, 2); \
    else if (K == 5 && S == 1) call(5, 1); \
    else if (K == 5 && S == 2) call(5, 2); \
    else if (K == 7 && S == 1) call(7, 1); \
    else return 1; \
    return 0;

int depthwise_forward(int K, int S, const uint16_t *x, const float *w, const float *bias, uint16_t *y, float *scratch, int B,
                      int H, int W, int C, int OH, int OW, int P) {
#define CALL(k, s) forward(k, s, x, w, bias, y, scratch, B, H, W, C, OH, OW, P)
    FOR_EACH_KERNEL(CALL)
#undef CALL
}

int depthwise_gradients(int K, int S, const uint16_t *x, const uint16_t *g, const float *w, uint16_t *gx, float *gw,
                        float *scratch, int B, int H, int W, int C, int OH, int OW, int P) {
#define CALL(k, s) gradients(k, s, x, g, w, gx, gw, scratch, B, H, W, C, OH, OW, P)
    FOR_EACH_KERNEL(CALL)
#undef CALL
}
