/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/type.h: what a program tells the library about a kind of object, and the slot.
 */
#ifndef WANE_TYPE_H
#define WANE_TYPE_H

#include <wane/base.h>

WANE__BEGIN

/*
 * A place for one reference to an object, which any thread may read and write through the functions of wane/slot.h: a
 * field of an object, a global, or a field in malloc'ed memory. All zero bytes are an empty slot.
 */
typedef struct wane_slot {
    void *wane__target; /* atomic */
} wane_slot;

#define WANE_SLOT_EMPTY {0}

/* Handed to a `trace` callback, which hands it to wane_visit. */
typedef struct wane_visitor wane_visitor;

typedef struct wane_type wane_type;

/*
 * A kind of object. The struct is the caller's. It is static and must not change after its first use, which registers
 * it. Members that are not set are zero. A wrong description (an offset outside of `size` or not aligned, more than
 * 32 offsets) ends the program at its first use, with a line that names the type.
 *
 * The table in wane.h says where the callbacks run. They may allocate, retain, release, use slots and make threads.
 */
struct wane_type {
    /* For reports; not NULL. */
    const char *name;
    /* Bytes of the payload; wane_new zeroes them. May be 0. */
    size_t size;
    /* Offsets of the payload's slots: WANE_SLOTS(struct node, next, peer). NULL: none. */
    const size_t *slots;
    /*
     * Visits further slots, at no fixed offset: calls nothing but wane_visit and wane_visit_n. Called inside a guard,
     * on any thread, beside threads that change the object, and at its death; from the object's birth on, so zeroed
     * memory must be a valid state, and a constructor stores a pointer before the length that says how far it may be
     * read, with release. Storage that it reads must be replaced with wane_defer, or, in `destroy`, freed at once.
     */
    void (*trace)(void *self, wane_visitor *v);
    /*
     * Called once, when the object is about to die, with everything that it refers to still alive. It may make the
     * object reachable again (resurrection); then it is not called a second time.
     */
    void (*finalize)(void *self);
    /*
     * Frees what the library does not know: file descriptors, malloc'ed memory, units held in plain fields. Finds its
     * slots empty. May use only what the object owns.
     */
    void (*destroy)(void *self);
    /* WANE_TYPE_ flags, or'ed. */
    unsigned flags;
    /* Prepares a dead object for its next life; unused by this version. */
    void (*reset)(void *self);
    /* The library's. */
    uintptr_t wane__private[12];
};

/* Objects of the type are never part of a cycle, though they have slots: the collector does not look at them. */
#define WANE_TYPE_ACYCLIC 1u
/* Unreachable cycles through the type are kept and reported instead of destroyed. */
#define WANE_TYPE_UNCOLLECTABLE 2u
/* Objects are born without an owner: for those that several threads count from the start. */
#define WANE_TYPE_SHARED 4u
/* The extra bytes of wane_new_extra are slots, all of them. */
#define WANE_TYPE_EXTRA_SLOTS 8u
/*
 * `finalize` runs on the collector thread, or in a call that does its work (wane_flush, wane_gc_step, wane_gc_collect,
 * and wane_poll where there is no collector thread), never inside wane_release. A program that wants to run them where it
 * likes sets a notify function (wane_set_finalizer_notify in wane/gc.h).
 */
#define WANE_TYPE_FINALIZE_QUEUED 16u

/*
 * Objects of the type may be found through an index that holds no unit of them: a table of the program's own. What an index
 * names may be dead; wane_upgrade (wane/weak.h) tells, and until the guard ends in which the name was read the memory
 * is no other object's. The type's `destroy`, or wane_on_death, takes a dead object out of the index.
 */
#define WANE_TYPE_INDEXED 32u

/* Ends a list of offsets that is written by hand. */
#define WANE_SLOTS_END ((size_t)-1)
/* The library's: ends one that WANE_SLOTS wrote, and the address of its text follows, for the slots' names in reports. */
#define WANE__SLOTS_NAMED ((size_t)-2)

/*
 * The list of offsets of up to 32 slots: WANE_SLOTS(struct node, left, right). For initialisers of static types; in C at
 * file scope only: inside a function the list would end with the call. There name a static array that ends with
 * WANE_SLOTS_END. Reports name slots as the list does; those of lists written by hand, and in C++, by their offsets.
 */
#ifdef __cplusplus
#define WANE_SLOTS(type, ...) (wane__slots<WANE__EACH(type, __VA_ARGS__)>::list)
#else
#define WANE_SLOTS(type, ...) \
    ((const size_t[]){WANE__EACH(type, __VA_ARGS__), WANE__SLOTS_NAMED, (size_t)(#__VA_ARGS__)})
#endif

#define WANE__EACH(...) WANE__EACH_OF(__VA_ARGS__, WANE__EACH_32, WANE__EACH_31, WANE__EACH_30, WANE__EACH_29, WANE__EACH_28, WANE__EACH_27, WANE__EACH_26, WANE__EACH_25, WANE__EACH_24, WANE__EACH_23, WANE__EACH_22, WANE__EACH_21, WANE__EACH_20, WANE__EACH_19, WANE__EACH_18, WANE__EACH_17, WANE__EACH_16, WANE__EACH_15, WANE__EACH_14, WANE__EACH_13, WANE__EACH_12, WANE__EACH_11, WANE__EACH_10, WANE__EACH_9, WANE__EACH_8, WANE__EACH_7, WANE__EACH_6, WANE__EACH_5, WANE__EACH_4, WANE__EACH_3, WANE__EACH_2, WANE__EACH_1, 0)(__VA_ARGS__)
#define WANE__EACH_OF(t, ...) WANE__PICK(__VA_ARGS__)
#define WANE__EACH_1(t, f) offsetof(t, f)
#define WANE__EACH_2(t, f, ...) offsetof(t, f), WANE__EACH_1(t, __VA_ARGS__)
#define WANE__EACH_3(t, f, ...) offsetof(t, f), WANE__EACH_2(t, __VA_ARGS__)
#define WANE__EACH_4(t, f, ...) offsetof(t, f), WANE__EACH_3(t, __VA_ARGS__)
#define WANE__EACH_5(t, f, ...) offsetof(t, f), WANE__EACH_4(t, __VA_ARGS__)
#define WANE__EACH_6(t, f, ...) offsetof(t, f), WANE__EACH_5(t, __VA_ARGS__)
#define WANE__EACH_7(t, f, ...) offsetof(t, f), WANE__EACH_6(t, __VA_ARGS__)
#define WANE__EACH_8(t, f, ...) offsetof(t, f), WANE__EACH_7(t, __VA_ARGS__)
#define WANE__EACH_9(t, f, ...) offsetof(t, f), WANE__EACH_8(t, __VA_ARGS__)
#define WANE__EACH_10(t, f, ...) offsetof(t, f), WANE__EACH_9(t, __VA_ARGS__)
#define WANE__EACH_11(t, f, ...) offsetof(t, f), WANE__EACH_10(t, __VA_ARGS__)
#define WANE__EACH_12(t, f, ...) offsetof(t, f), WANE__EACH_11(t, __VA_ARGS__)
#define WANE__EACH_13(t, f, ...) offsetof(t, f), WANE__EACH_12(t, __VA_ARGS__)
#define WANE__EACH_14(t, f, ...) offsetof(t, f), WANE__EACH_13(t, __VA_ARGS__)
#define WANE__EACH_15(t, f, ...) offsetof(t, f), WANE__EACH_14(t, __VA_ARGS__)
#define WANE__EACH_16(t, f, ...) offsetof(t, f), WANE__EACH_15(t, __VA_ARGS__)
#define WANE__EACH_17(t, f, ...) offsetof(t, f), WANE__EACH_16(t, __VA_ARGS__)
#define WANE__EACH_18(t, f, ...) offsetof(t, f), WANE__EACH_17(t, __VA_ARGS__)
#define WANE__EACH_19(t, f, ...) offsetof(t, f), WANE__EACH_18(t, __VA_ARGS__)
#define WANE__EACH_20(t, f, ...) offsetof(t, f), WANE__EACH_19(t, __VA_ARGS__)
#define WANE__EACH_21(t, f, ...) offsetof(t, f), WANE__EACH_20(t, __VA_ARGS__)
#define WANE__EACH_22(t, f, ...) offsetof(t, f), WANE__EACH_21(t, __VA_ARGS__)
#define WANE__EACH_23(t, f, ...) offsetof(t, f), WANE__EACH_22(t, __VA_ARGS__)
#define WANE__EACH_24(t, f, ...) offsetof(t, f), WANE__EACH_23(t, __VA_ARGS__)
#define WANE__EACH_25(t, f, ...) offsetof(t, f), WANE__EACH_24(t, __VA_ARGS__)
#define WANE__EACH_26(t, f, ...) offsetof(t, f), WANE__EACH_25(t, __VA_ARGS__)
#define WANE__EACH_27(t, f, ...) offsetof(t, f), WANE__EACH_26(t, __VA_ARGS__)
#define WANE__EACH_28(t, f, ...) offsetof(t, f), WANE__EACH_27(t, __VA_ARGS__)
#define WANE__EACH_29(t, f, ...) offsetof(t, f), WANE__EACH_28(t, __VA_ARGS__)
#define WANE__EACH_30(t, f, ...) offsetof(t, f), WANE__EACH_29(t, __VA_ARGS__)
#define WANE__EACH_31(t, f, ...) offsetof(t, f), WANE__EACH_30(t, __VA_ARGS__)
#define WANE__EACH_32(t, f, ...) offsetof(t, f), WANE__EACH_31(t, __VA_ARGS__)
#define WANE__PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, n, ...) n

/*
 * Visits one slot, or n slots in a row, of the object that is being traced. To be called in a `trace` callback only.
 *
 * v: as handed to the callback. s: not NULL. n: may be 0.
 * Threads: wait-free or, at death, as wane_release; runs no user code.
 */
WANE_API void wane_visit(wane_visitor *v, wane_slot *s);
WANE_API void wane_visit_n(wane_visitor *v, wane_slot *s, size_t n);

/*
 * Forgets a registered type, so that its memory may be unmapped (before dlclose).
 *
 * Returns 0, or -EBUSY while an object of the type is alive or not yet destroyed. NULL, and a type that was never
 * used, are no error.
 * Threads: any; may wait (it looks at the whole heap); runs no user code. The caller makes sure that no thread makes
 * objects of the type meanwhile.
 */
WANE_API int wane_type_forget(wane_type *t);

WANE__END

#ifdef __cplusplus
template <size_t... Offsets> struct wane__slots {
    static constexpr size_t list[] = {Offsets..., WANE_SLOTS_END};
};
#endif

#endif
