/* Overlaps pair by pair, each a chain of small matrix products: by loops of our own or by calls of a BLAS. */

#include <complex.h>

typedef double complex number;
typedef void (*zgemm)(const char *, const char *, const int *, const int *, const int *, const number *, const number *,
                      const int *, const number *, const int *, const number *, number *, const int *);

static const number one = 1.0, zero = 0.0;

/* out (rows, columns) = left (rows, inner) · right (inner, columns), all with the last index fastest */
static void times(zgemm blas, int rows, int inner, int columns, const number *left, const number *right, number *out) {
    if (blas) {
        blas("N", "N", &columns, &rows, &inner, &one, right, &columns, left, &inner, &zero, out, &columns);
        return;
    }
    for (int i = 0; i < rows; i++) {
        for (int k = 0; k < columns; k++) out[i * columns + k] = 0.0;
        for (int j = 0; j < inner; j++)
            for (int k = 0; k < columns; k++) out[i * columns + k] += left[i * inner + j] * right[j * columns + k];
    }
}

/* out (rows, columns) = left (inner, rows)† · right (inner, columns) */
static void adjoint_times(zgemm blas, int rows, int inner, int columns, const number *left, const number *right,
                          number *out) {
    if (blas) {
        blas("N", "C", &columns, &rows, &inner, &one, right, &columns, left, &rows, &zero, out, &columns);
        return;
    }
    for (int i = 0; i < rows * columns; i++) out[i] = 0.0;
    for (int j = 0; j < inner; j++)
        for (int i = 0; i < rows; i++)
            for (int k = 0; k < columns; k++) out[i * columns + k] += conj(left[j * rows + i]) * right[j * columns + k];
}

/* States of `size` entries each, site by site (left, 2, right), bonds of at most 16; pairs of positions. */
void overlaps(zgemm blas, int sites, const int *bonds, long size, const number *states, long pairs, const long *bra,
              const long *ket, number *out) {
    number edge[16 * 16], half[2 * 16 * 16];
    for (long pair = 0; pair < pairs; pair++) {
        const number *a = states + size * bra[pair], *b = states + size * ket[pair];
        edge[0] = 1.0;
        for (int site = 0; site < sites; site++) {
            int left = bonds[site], right = bonds[site + 1];
            times(blas, left, left, 2 * right, edge, b, half);
            adjoint_times(blas, right, 2 * left, right, a, half, edge);
            a += 2 * left * right;
            b += 2 * left * right;
        }
        out[pair] = edge[0];
    }
}
