/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * A mortal cache without locks: what is in use is found by its key and shared (unless another key took its place), what nobody uses any more is gone, and
 * the cache itself keeps nothing alive. It is a table of plain pointers without units, which WANE_TYPE_INDEXED makes possible.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <wane.h>

#define PLACES 64

struct page {
    unsigned key;
    char text[32];
};

static _Atomic(struct page *) places[PLACES];
static atomic_int rendered;

static _Atomic(struct page *) *place_of(unsigned key) { return &places[key % PLACES]; }

/* Before this, a look-up may find the page, but wane_upgrade says that it is dead; after this, it is not found. */
static void forget(void *self) {
    struct page *p = self;
    atomic_compare_exchange_strong(place_of(p->key), &(struct page *){p}, NULL);
}

static wane_type page_type = {
    .name = "page", .size = sizeof(struct page), .destroy = forget, .flags = WANE_TYPE_INDEXED};

static struct page *render(unsigned key) {
    struct page *p = WANE_NEW(struct page, &page_type);
    if (p != NULL) {
        p->key = key;
        snprintf(p->text, sizeof p->text, "page %u", key);
        atomic_fetch_add(&rendered, 1);
    }
    return p;
}

/*
 * A page of that key, as a new unit: the one in use, if there is one. What is read from a place may be dead, and even then may be looked at until the
 * guard ends; until then its address is nobody else's, too, so the exchange replaces what was looked at or nothing.
 */
static struct page *get(unsigned key) {
    WANE_AUTO struct page *made = NULL;
    for (;;) {
        WANE_GUARDED {
            struct page *there = atomic_load(place_of(key));
            struct page *found = there != NULL && there->key == key ? wane_upgrade(there) : NULL;
            if (found != NULL)
                return found;
            if (made != NULL && atomic_compare_exchange_strong(place_of(key), &there, made))
                return wane_steal(&made);
        }
        if (made == NULL && (made = render(key)) == NULL) /* outside of the guard: it may take long */
            return NULL;
    }
}

static void *use(void *unused) {
    for (unsigned i = 0; i < 10000; i++) {
        WANE_AUTO struct page *p = get(i % 100);
        if (p == NULL || p->key != i % 100)
            return places;
    }
    return unused;
}

int main(void) {
    struct page *a = get(7), *b = get(7);
    printf("%s, the same again: %s\n", a->text, a == b ? "yes" : "no");
    wane_release(a);
    wane_release(b);
    printf("after its last use: %s\n", atomic_load(place_of(7)) == NULL ? "gone" : "there");
    a = get(7);
    printf("rendered %d times\n", atomic_load(&rendered));
    wane_release(a);

    pthread_t t[3];
    int good = 0;
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, use, NULL);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(t[i], &result);
        good += result == NULL;
    }
    wane_stats s = WANE_STATS_INIT;
    wane_flush();
    wane_stats_get(&s);
    printf("%d threads found what they asked for, %zu pages are left\n", good, s.live_objects);
    return 0;
}
/* prints:
page 7, the same again: yes
after its last use: gone
rendered 2 times
3 threads found what they asked for, 0 pages are left
*/
