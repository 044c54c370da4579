/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value.c: lists, sets, hashes and the nodes of graphs.
 */
#include "value.h"

static mm_type list_type = {
    .name = "list",
    .size = sizeof(struct list),
    .slots = MM_SLOTS(struct list, ring),
};

struct list *list_new(void) {
    struct list *l = obj_new(&list_type);
    l->v.kind = KIND_LIST;
    mm_slot_init(&l->ring, vec_new(4));
    return l;
}

static mm_slot *ring_at(struct list *l, struct vec *ring, size_t i) {
    return &ring->item[(l->head + i) & (ring->room - 1)];
}

/* Elements keep their units in the old ring until it dies: each gets one more for the new place. */
static struct vec *ring_grow(struct list *l, struct vec *ring) {
    struct vec *big = vec_new(ring->room * 2);
    for (size_t i = 0; i < l->count; i++) {
        mm_slot_init(&big->item[i], mm_slot_load(ring_at(l, ring, i)));
    }
    l->head = 0;
    mm_slot_give(&l->ring, big);
    return big;
}

void list_push(struct list *l, bool front, struct str *s) {
    pthread_mutex_lock(&l->lock);
    struct vec *ring = mm_slot_held(&l->ring);
    if (l->count == ring->room) {
        ring = ring_grow(l, ring);
    }
    if (front) {
        l->head = (l->head - 1) & (ring->room - 1);
    }
    mm_slot_give(ring_at(l, ring, front ? 0 : l->count), s);
    l->count++;
    pthread_mutex_unlock(&l->lock);
}

struct str *list_pop(struct list *l, bool front) {
    struct str *s = NULL;
    pthread_mutex_lock(&l->lock);
    struct vec *ring = mm_slot_held(&l->ring);
    if (l->count > 0) {
        s = mm_slot_take(ring_at(l, ring, front ? 0 : l->count - 1));
        if (front) {
            l->head = (l->head + 1) & (ring->room - 1);
        }
        l->count--;
    }
    pthread_mutex_unlock(&l->lock);
    return s;
}

size_t list_count(struct list *l) {
    pthread_mutex_lock(&l->lock);
    size_t n = l->count;
    pthread_mutex_unlock(&l->lock);
    return n;
}

size_t list_range(struct list *l, int64_t from, int64_t to, struct str ***ret) {
    pthread_mutex_lock(&l->lock);
    int64_t count = (int64_t)l->count;
    from = from < 0 ? from + count : from;
    to = to < 0 ? to + count : to;
    from = from < 0 ? 0 : from;
    to = to >= count ? count - 1 : to;
    size_t n = from > to ? 0 : (size_t)(to - from + 1);
    /* The guard keeps the elements, or, for a back end that looks for references, that this is root
     * memory. */
    *ret = n > 0 ? obj_check(mm_root_new(n * sizeof(*ret)[0])) : NULL;
    struct vec *ring = mm_slot_peek(&l->ring);
    for (size_t i = 0; i < n; i++) {
        (*ret)[i] = mm_slot_peek(ring_at(l, ring, (size_t)from + i));
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

static mm_type group_type = {
    .name = "group",
    .size = sizeof(struct group),
    .slots = MM_SLOTS(struct group, dict.table),
};

#define GROUP_SIZE 8

struct group *group_new(enum kind kind) {
    struct group *g = obj_new(&group_type);
    g->v.kind = (uint8_t)kind;
    dict_init(&g->dict, GROUP_SIZE);
    return g;
}

bool group_put(struct group *g, struct bytes name, void *value) {
    uint64_t hash = bytes_hash(name);
    pthread_mutex_lock(&g->lock);
    struct entry *e = dict_find_locked(&g->dict, hash, name);
    if (e == NULL) {
        dict_add_locked(&g->dict, hash, name, value);
        dict_work(&g->dict, 4, NULL, 0, GROUP_SIZE);
    } else if (value != NULL) {
        mm_slot_give(&e->value, value);
    }
    pthread_mutex_unlock(&g->lock);
    return e == NULL;
}

bool group_remove(struct group *g, struct bytes name) {
    pthread_mutex_lock(&g->lock);
    bool found = dict_remove_locked(&g->dict, bytes_hash(name), name);
    if (found) {
        dict_work(&g->dict, 4, NULL, 0, GROUP_SIZE);
    }
    pthread_mutex_unlock(&g->lock);
    return found;
}

struct entry *group_find(struct group *g, struct bytes name) {
    return dict_find(&g->dict, bytes_hash(name), name);
}

size_t group_count(struct group *g) { return atomic_load(&g->dict.count); }

struct entry *group_random(struct group *g) {
    static __thread uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    pthread_mutex_lock(&g->lock);
    dict_settle_locked(&g->dict);
    size_t size = dict_size(&g->dict);
    struct entry *e = NULL;
    for (size_t i = 0; i < size && e == NULL; i++) {
        e = dict_bucket(&g->dict, (state + i) & (size - 1));
    }
    pthread_mutex_unlock(&g->lock);
    return e;
}

size_t group_all(struct group *g, struct entry ***ret) {
    pthread_mutex_lock(&g->lock);
    dict_settle_locked(&g->dict);
    size_t n = 0;
    size_t count = group_count(g);
    *ret = obj_check(mm_root_new((count + 1) * sizeof(*ret)[0]));
    for (size_t i = 0; i < dict_size(&g->dict); i++) {
        for (struct entry *e = dict_bucket(&g->dict, i); e != NULL; e = mm_slot_peek(&e->next)) {
            (*ret)[n++] = e;
        }
    }
    pthread_mutex_unlock(&g->lock);
    return n;
}

/* Nodes. The edges stand at the front of the array, in no order. */
struct node {
    struct value v;
    pthread_mutex_t lock;
    size_t count;  /* these under the lock */
    mm_slot edges; /* struct vec */
};

static mm_type node_type = {
    .name = "node",
    .size = sizeof(struct node),
    .slots = MM_SLOTS(struct node, edges),
};

struct node *node_new(void) {
    struct node *n = obj_new(&node_type);
    n->v.kind = KIND_NODE;
    return n;
}

static mm_slot *edge_find(struct node *n, struct node *to) {
    struct vec *edges = mm_slot_held(&n->edges);
    for (size_t i = 0; i < n->count; i++) {
        if (mm_slot_held(&edges->item[i]) == to) {
            return &edges->item[i];
        }
    }
    return NULL;
}

static void edges_grow(struct node *n) {
    struct vec *old = mm_slot_held(&n->edges);
    struct vec *big = vec_new(old == NULL ? 2 : old->room * 2);
    for (size_t i = 0; i < n->count; i++) {
        mm_slot_init(&big->item[i], mm_slot_load(&old->item[i]));
    }
    mm_slot_give(&n->edges, big);
}

bool node_link(struct node *from, struct node *to) {
    mm_guard_enter();
    pthread_mutex_lock(&from->lock);
    bool fresh = edge_find(from, to) == NULL;
    if (fresh) {
        struct vec *edges = mm_slot_held(&from->edges);
        if (edges == NULL || from->count == edges->room) {
            edges_grow(from);
            edges = mm_slot_held(&from->edges);
        }
        mm_slot_store(&edges->item[from->count++], to);
    }
    pthread_mutex_unlock(&from->lock);
    mm_guard_leave();
    return fresh;
}

bool node_unlink(struct node *from, struct node *to) {
    mm_guard_enter();
    pthread_mutex_lock(&from->lock);
    mm_slot *s = edge_find(from, to);
    if (s != NULL) {
        struct vec *edges = mm_slot_held(&from->edges);
        mm_slot *last = &edges->item[--from->count];
        if (s != last) {
            mm_slot_give(s, mm_slot_load(last));
        }
        mm_slot_clear(last);
    }
    pthread_mutex_unlock(&from->lock);
    mm_guard_leave();
    return s != NULL;
}

size_t node_count(struct node *n) {
    pthread_mutex_lock(&n->lock);
    size_t count = n->count;
    pthread_mutex_unlock(&n->lock);
    return count;
}
