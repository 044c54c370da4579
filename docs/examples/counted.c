/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * A home-made count, moved. It was:
 *
 *     struct buffer { atomic_int refs; size_t size; char *data; };
 *     buffer_get(b): atomic_fetch_add(&b->refs, 1);
 *     buffer_put(b): if (atomic_fetch_sub(&b->refs, 1) == 1) { free(b->data); free(b); }
 *
 * The count leaves the struct, what put did at zero but for the last free() becomes `destroy`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wane.h>

struct buffer {
    size_t size;
    char *data;
};

static void buffer_destroy(void *self) { free(((struct buffer *)self)->data); }

static wane_type buffer_type = {.name = "buffer", .size = sizeof(struct buffer), .destroy = buffer_destroy};

/* The old names may stay as long as they are in use. */
#define buffer_get(b) wane_retain(b)
#define buffer_put(b) wane_release(b)

static struct buffer *buffer_new(const char *text) {
    struct buffer *b = wane_new(&buffer_type); /* zeroed, one unit */
    if (b == NULL)
        return NULL;
    b->data = strdup(text);
    b->size = strlen(text);
    return b;
}

int main(void) {
    struct buffer *b = buffer_new("twelve bytes");
    struct buffer *also = buffer_get(b);
    buffer_put(b);
    printf("%zu %s\n", also->size, also->data);
    buffer_put(also);
    return 0;
}
/* prints:
12 twelve bytes
*/
