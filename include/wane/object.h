/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/object.h: making, holding and letting go of objects.
 *
 * A pointer to an object stands for one counted reference (a "unit"), unless it is borrowed. A "borrowed" argument
 * leaves your reference with you; a "consumed" one takes it. Every object argument may be NULL. Design:
 * docs/design/count.md.
 */
#ifndef WANE_OBJECT_H
#define WANE_OBJECT_H

#include <wane/layout.h>
#include <wane/type.h>

WANE__BEGIN

/* A place in a program, for reports of allocations. Static storage. */
typedef struct wane_site {
    const char *file;
    int line;
    const char *function;
} wane_site;

/*
 * Makes an object of type t: a payload of t->size bytes, with `extra` bytes behind it, all zero and 16-aligned, with
 * one reference.
 *
 * t: registered at its first use. extra: bytes. site: the place in the program, for reports; may be NULL.
 * Returns the payload, or NULL with errno ENOMEM (no memory), EAGAIN (this thread cannot be attached), ENOSPC (65,535
 * types are registered) or EOVERFLOW (the size does not fit).
 * Ownership: the caller releases the reference. This thread counts the object without atomic read-modify-writes.
 * Threads: any; lock-free except for memory from the system; runs no user code.
 */
WANE_API void *wane_new_at(wane_type *t, size_t extra, const wane_site *site);
WANE_API void *wane_new(wane_type *t);
WANE_API void *wane_new_extra(wane_type *t, size_t extra);

#define WANE__SITE                                                              \
    (__extension__({                                                            \
        static const wane_site wane__site = {__FILE__, __LINE__, __func__};     \
        &wane__site;                                                            \
    }))
#define wane_new(t) wane_new_at((t), 0, WANE__SITE)
#define wane_new_extra(t, extra) wane_new_at((t), (extra), WANE__SITE)

/*
 * The same, for programs that cannot go on without memory. Where wane_new_at would return NULL, a line names the
 * type, the bytes, the reason and the place, and the program ends. They never return NULL.
 */
WANE_API void *wane_new_at_or_abort(wane_type *t, size_t extra, const wane_site *site);
WANE_API void *wane_new_or_abort(wane_type *t);
WANE_API void *wane_new_extra_or_abort(wane_type *t, size_t extra);
#define wane_new_or_abort(t) wane_new_at_or_abort((t), 0, WANE__SITE)
#define wane_new_extra_or_abort(t, extra) wane_new_at_or_abort((t), (extra), WANE__SITE)

WANE_API void wane__new_misfit(const wane_type *t, size_t size, const wane_site *site);

/*
 * As wane_new_at, for a payload that the caller uses as `size` bytes. If objects of the type are smaller, a line says
 * so and the program ends.
 */
WANE_INLINE void *wane_new_sized(wane_type *t, size_t size, const wane_site *site) {
    if (wane__unlikely(t->size < size))
        wane__new_misfit(t, size, site);
    return wane_new_at(t, 0, site);
}

/* struct node *n = WANE_NEW(struct node, &node_type): wane_new whose result has its type, and whose size is looked at. */
#define WANE_NEW(type, t) ((__typeof__(type) *)wane_new_sized((t), sizeof(type), WANE__SITE))

/* The parts of retain and release that are not inline. */
WANE_API void *wane__retain_slow(void *obj);
WANE_API void wane__retain_odd(struct wane__header *h, uint64_t before);
WANE_API void wane__release_slow(void *obj);

/*
 * Counts one more unit of h in t's bracket. False: nothing happened, t cannot count inline (no record, or fences are
 * needed). The collector's mark is answered before the bracket ends.
 */
WANE__HELPER bool wane__retain_marked(struct wane__thread *t, struct wane__header *h) {
    uint32_t owner = wane__load_relaxed(&h->owner);
    if (wane__likely(owner == wane__load_relaxed(&t->match))) {
        uint32_t n = wane__load_relaxed(&h->local) + 1;
        if (wane__unlikely((int32_t)n < 0))
            return false;
        wane__store_relaxed(&h->local, n);
        return true;
    }
    if (wane__unlikely(owner == WANE__OWNER_IMMORTAL))
        return true;
    if (wane__unlikely(wane__load_relaxed(&t->match) == WANE__MATCH_NOBODY))
        return false;
    uint64_t before = __atomic_fetch_add(&h->shared, WANE__COUNT_ONE, __ATOMIC_RELAXED);
    if (wane__unlikely((before & (WANE__LIVE | WANE__WATCHED | WANE__IMMORTAL | WANE__COUNT_HUGE)) != WANE__LIVE))
        wane__retain_odd(h, before);
    return true;
}

/*
 * Takes one more reference. The caller holds one already, or borrows obj from a slot inside a guard.
 *
 * Returns obj.
 * Ownership: the caller releases the new reference.
 * Threads: any; wait-free (by the owner without atomic read-modify-write); runs no user code.
 */
WANE_INLINE void *wane_retain(void *obj) {
    if (obj == NULL)
        return NULL;
    struct wane__thread *t = wane__self;
    wane__bracket_enter(t);
    bool counted = wane__retain_marked(t, wane__header_of(obj));
    wane__bracket_leave(t);
    return wane__likely(counted) ? obj : wane__retain_slow(obj);
}

/* Gives up a unit of the owner's that is not the last, in a bracket. False: nothing happened. */
WANE__HELPER bool wane__release_marked(struct wane__thread *t, struct wane__header *h) {
    bool done = false;
    wane__bracket_enter(t);
    if (wane__likely(wane__load_relaxed(&h->owner) == wane__load_relaxed(&t->match))) {
        uint32_t n = wane__load_relaxed(&h->local);
        if (wane__likely(n > 1 && wane__load_relaxed(&h->candidate) != 0)) {
            wane__store_relaxed(&h->local, n - 1);
            done = true;
        }
    }
    wane__bracket_leave(t);
    return done;
}

/*
 * Gives up one reference. The object dies with its last one: its finalizer runs, weak references to it are cleared,
 * what its slots refer to is released, `destroy` runs, and the memory is freed. All of that is done in a loop,
 * however much hangs on the object.
 *
 * obj: consumed.
 * Threads: any. The owner's release is wait-free unless it is the last. May run user code (finalize, destroy) of this
 * object and of others whose last reference this thread gave up earlier. Outside of guards it may wait up to
 * `stall_limit_us` when this thread has deferred more than `deferred_bytes`.
 * Errors: releasing a dead object ends the program with one line, where that can be seen.
 */
WANE_INLINE void wane_release(void *obj) {
    if (obj != NULL && !wane__release_marked(wane__self, wane__header_of(obj)))
        wane__release_slow(obj);
}

/*
 * Gives up one reference and, if it is the last, leaves the death to the collector thread: the finalizer, `destroy`,
 * and everything that hangs on the object, which may be much. For threads that must not pay for the end of a large
 * structure.
 *
 * obj: consumed. If it has no finalizer, and this thread or nobody owns it, it is dead at once, and weak references
 * say so. Otherwise it dies when the collector thread comes to it.
 * Threads: any; runs no user code. Outside of guards and callbacks it may wait up to `stall_limit_us` when more than
 * `deferred_bytes` are pending; obj counts towards that, what hangs on it does not. wane_flush waits for the death.
 * Without a collector thread (option collector_thread = 0, or after wane_shutdown) its work is done by wane_flush, by
 * wane_poll on any thread, by wane_gc_collect, and by a thread in wane_collector_run.
 * Errors: as wane_release. When memory is out, later calls of this thread may have to do the work.
 */
WANE_API void wane_release_later(void *obj);

/*
 * Gives up an object that was not completed, because making it failed halfway. It is like wane_release, but neither
 * `finalize` nor `destroy` is called for the object, nor `trace` at its death. The slots that `slots` names are
 * emptied.
 *
 * obj: consumed; no other thread has seen it. bare: a static type like the object's own, with the same size, slots
 * and flags, without `finalize` and `destroy`, and, if the object's type has a `trace`, with a `trace` that visits
 * nothing.
 * Threads: any; as wane_release. Runs user code of objects that its slots referred to.
 * Errors: a bare type with other differences ends the program with one line.
 */
WANE_API void wane_abandon(void *obj, wane_type *bare);

/*
 * Releases what a variable holds and sets it to NULL, NULL first: wane_clear(&var), for a pointer of any type to an
 * object. As wane_release otherwise.
 */
WANE_API void wane_clear(void *var);

/*
 * Gives up the bias: from now on all threads count the object atomically. For objects that other threads will count
 * as much as this one. It is never needed, and only makes their counting faster.
 *
 * obj: borrowed. Returns obj.
 * Threads: any; does not wait. If another thread owns the object and is just counting it, the library finishes later.
 * Runs no user code.
 */
WANE_API void *wane_share(void *obj);

/*
 * Whether the caller's reference is the only one. References in slots count, and so do those that wait for their
 * decrement.
 *
 * obj: the caller holds a reference. NULL: false.
 * Threads: any. On a thread that does not own the object it may take the bias away, and returns false while the owner
 * is just counting it. Runs no user code.
 */
WANE_API bool wane_is_unique(const void *obj);

/*
 * Makes an object immortal, for good: retain and release do nothing any more, and everything that it refers to stays
 * alive. A count that exceeds 2^30 has the same effect.
 *
 * obj: borrowed. Threads: any; does not wait; runs no user code.
 */
WANE_API void wane_immortalize(void *obj);
WANE_API bool wane_is_immortal(const void *obj);

/* What wane_refcount says of an immortal. */
#define WANE_REFCOUNT_IMMORTAL ((size_t)UINT32_MAX)

/*
 * How many references an object has, those included that wait for their decrement. Exact if nobody counts it
 * meanwhile.
 *
 * Returns 0 for NULL and WANE_REFCOUNT_IMMORTAL for an immortal object. Threads: any; wait-free.
 */
WANE_API size_t wane_refcount(const void *obj);

/* The type of an object; NULL for NULL. Threads: any; wait-free. */
WANE_API wane_type *wane_typeof(const void *obj);

/* The bytes that an object takes, header and rounding included; 0 for NULL. Threads: any; wait-free. */
WANE_API size_t wane_sizeof(const void *obj);

/* Releases the variable when it leaves its scope: WANE_AUTO struct node *n = wane_new(&node_type); */
#define WANE_AUTO __attribute__((cleanup(wane__auto)))
WANE_INLINE void wane__auto(void *var) {
    void *obj;
    __builtin_memcpy(&obj, var, sizeof obj); /* a pointer of any type */
    wane_release(obj);
}

/*
 * wane_steal(&var): returns what a variable holds, and sets the variable to NULL. This is how a WANE_AUTO variable is
 * returned, or handed to a call that consumes it. The result has the variable's type.
 * Ownership: the variable's reference is the caller's. Threads: the caller keeps others from the variable; wait-free;
 * runs no user code.
 */
WANE_INLINE void *wane_steal(void *var) {
    void *obj, *nothing = NULL;
    __builtin_memcpy(&obj, var, sizeof obj);
    __builtin_memcpy(var, &nothing, sizeof nothing);
    return obj;
}

/*
 * wane_set(&var, obj): makes a variable hold obj. It first retains obj (borrowed), and then releases what the
 * variable held. obj has the variable's type, or is a void *. As wane_retain and wane_release otherwise.
 */
WANE_INLINE void wane_set(void *var, void *obj) {
    void *old;
    wane_retain(obj);
    __builtin_memcpy(&old, var, sizeof old);
    __builtin_memcpy(var, &obj, sizeof obj);
    wane_release(old);
}

/*
 * Objects that are there before the program begins: immortal, in static storage, of any number of threads' use, at no cost.
 *
 *     static WANE_IMMORTAL(struct node) nil = WANE_IMMORTAL_INIT(&node_type, {.number = 1});
 *     struct node *n = &nil.object;
 *
 * All calls work on them. Their slots are places as those of a global: what is put there is held, and cycles through them
 * are not garbage. They are in no figure and no report of what is alive. The payload needs no more than 16-byte alignment.
 */
struct wane__immortal {
    wane_type *type;
    uintptr_t magic;
    struct wane__header header;
} __attribute__((aligned(16)));

#define WANE__IMMORTAL_MAGIC ((uintptr_t)0x6c616d6d6f727477u)
#define WANE_IMMORTAL(type)                \
    struct {                               \
        struct wane__immortal wane__head;  \
        type object;                       \
    }
#define WANE_IMMORTAL_INIT(type, ...)                                                                             \
    {                                                                                                             \
        {(type), WANE__IMMORTAL_MAGIC, {WANE__OWNER_IMMORTAL, 3, 0, 0, WANE__LIVE | WANE__MERGED | WANE__IMMORTAL}}, \
            __VA_ARGS__                                                                                           \
    }

WANE__END

/*
 * A slot is no object: handing one to these is refused when compiling, and so is a variable or a slot of one type for an object of
 * another. What is handed back has the type of what was handed over.
 */
#ifdef __cplusplus
void *wane_retain(wane_slot *) = delete;
void wane_release(wane_slot *) = delete;
void wane_release_later(wane_slot *) = delete;
void wane_abandon(wane_slot *, wane_type *) = delete;
void wane_clear(wane_slot *) = delete;
void wane_clear(wane_slot **) = delete;
void *wane_share(wane_slot *) = delete;
void *wane_steal(wane_slot *) = delete;
void *wane_steal(wane_slot **) = delete;
void wane_set(wane_slot *, void *) = delete;
void wane_set(wane_slot **, void *) = delete;
template <class T> inline T *wane_retain(T *obj) { return static_cast<T *>(wane_retain(static_cast<void *>(obj))); }
template <class T> inline T *wane_share(T *obj) { return static_cast<T *>(wane_share(static_cast<void *>(obj))); }
template <class T> inline T *wane_steal(T **var) { return static_cast<T *>(wane_steal(static_cast<void *>(var))); }
template <class T> inline void wane_set(T **var, T *obj) {
    wane_set(static_cast<void *>(var), static_cast<void *>(obj));
}
template <class T, class Other> void wane_set(T **, Other *) = delete;
#elif !defined(WANE__EMIT)
extern struct wane__a_slot_is_no_object {
    char wane__unused;
} wane__a_slot_is_no_object;
extern struct wane__an_object_of_another_type {
    char wane__unused;
} wane__an_object_of_another_type;
#define WANE__OBJECT(o) _Generic((o), wane_slot *: wane__a_slot_is_no_object, const wane_slot *: wane__a_slot_is_no_object, default: (o))
#define WANE__VARIABLE(v) _Generic((v), wane_slot *: wane__a_slot_is_no_object, wane_slot **: wane__a_slot_is_no_object, default: (v))
/* An object for a place of a type: of that type, or one of the two is void *. */
#define WANE__FITTING(place, o)                                                                                   \
    __builtin_choose_expr(__builtin_types_compatible_p(WANE__TYPE_OF(place), void *) ||                           \
                              __builtin_types_compatible_p(WANE__TYPE_OF(o), void *) ||                           \
                              __builtin_types_compatible_p(WANE__TYPE_OF(o), WANE__TYPE_OF(place)),               \
                          WANE__OBJECT(o), wane__an_object_of_another_type)
#define wane_retain(obj) WANE__AS(WANE__TYPE_OF(obj), wane_retain(WANE__OBJECT(obj)))
#define wane_release(obj) wane_release(WANE__OBJECT(obj))
#define wane_release_later(obj) wane_release_later(WANE__OBJECT(obj))
#define wane_abandon(obj, bare) wane_abandon(WANE__OBJECT(obj), (bare))
#define wane_share(obj) WANE__AS(WANE__TYPE_OF(obj), wane_share(WANE__OBJECT(obj)))
#define wane_clear(var) ((void)(WANE__TYPE_OF(*(var) == (void *)0))0, wane_clear(WANE__VARIABLE(var)))
#define wane_steal(var) WANE__AS(WANE__TYPE_OF(*(var)), wane_steal(WANE__VARIABLE(var)))
#define wane_set(var, obj) wane_set(WANE__VARIABLE(var), WANE__FITTING(*(var), obj))
#endif

#endif
