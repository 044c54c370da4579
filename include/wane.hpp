/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane.hpp: the library for C++17. References, slots, weak references and guards as classes, and objects that are made by
 * constructors and ended by destructors. Header only: every call is one of wane.h's, and none costs more.
 *
 *     struct node {
 *         explicit node(int n) : number(n) {}
 *         int number;
 *         wane::slot<node> left, right;
 *         using wane_slots = wane::slots<&node::left, &node::right>; // all slots of the class, once
 *     };
 *     wane::ref<node> n = wane::make<node>(3);
 *
 * What a class may declare, all public, or private with `friend struct wane::access`:
 *
 *     using wane_slots = wane::slots<...>;             its fields that are slots, or arrays of slots; at most 32 slots
 *     using wane_slots = wane::more_slots<Base, ...>;  the same beside those that the base class declares
 *     void wane_trace(wane::visitor &v);               visits slots at no fixed offset, as `trace` in wane/type.h
 *     void wane_finalize();                            as `finalize` there
 *     static constexpr unsigned wane_flags;            WANE_TYPE_ flags
 *     static constexpr const char *wane_name;          for reports; else the class's name
 *
 * The destructor runs as `destroy` does: the slots are empty by then. It and wane_finalize must not throw: that would end
 * the program. A class whose destructor is trivial has no `destroy`; a slot's destructor is trivial.
 * An object's memory is zero before its constructor runs, and `wane_trace` may be called from then on: it must find sense in
 * zeroes, and in what the constructor has made so far.
 */
#ifndef WANE_HPP
#define WANE_HPP

#if __cplusplus < 201703L
#error "wane.hpp needs C++17: compile with -std=c++17 or later"
#endif

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <wane.h>

namespace wane {

template <class T> class ref;
template <class T> class slot;

namespace detail {

/* The C calls take the address that wane_new returned. */
template <class T> void *payload(T *p) noexcept { return const_cast<void *>(static_cast<const volatile void *>(p)); }

[[noreturn, gnu::cold, gnu::noinline]] inline void wrong_base() {
    std::fputs("wane: a reference to a base class that does not stand first in its object\n", stderr);
    std::abort();
}

/* From another pointer to the same object. Folded to nothing where the address cannot differ. */
template <class T, class U> T *same_object(U *from) noexcept {
    T *to = static_cast<T *>(from);
    if (__builtin_expect(static_cast<const volatile void *>(to) != static_cast<const volatile void *>(from), 0))
        wrong_base();
    return to;
}

[[noreturn, gnu::cold, gnu::noinline]] inline void failed(const char *call) {
#if defined(__cpp_exceptions)
    if (errno == ENOMEM)
        throw std::bad_alloc();
    throw std::system_error(errno, std::generic_category(), call);
#else
    std::perror(call);
    std::abort();
#endif
}

} // namespace detail

/*
 * One unit of an object, or none. Copying retains, destruction releases; moving does neither. Any number of threads may have
 * refs of one object; one ref is one thread's at a time, as a pointer is: what threads share is a slot.
 */
template <class T> class ref {
  public:
    using element_type = T;

    constexpr ref() noexcept = default;
    constexpr ref(std::nullptr_t) noexcept {}
    ref(const ref &other) noexcept : p_(other.p_) { wane_retain(detail::payload(p_)); }
    ref(ref &&other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
    /* To const, or to a base class that stands first in the object. */
    template <class U, class = std::enable_if_t<std::is_convertible_v<U *, T *>>>
    ref(const ref<U> &other) noexcept : ref(ref<U>(other)) {}
    template <class U, class = std::enable_if_t<std::is_convertible_v<U *, T *>>>
    ref(ref<U> &&other) noexcept : p_(detail::same_object<T>(other.detach())) {}
    ~ref() { wane_release(detail::payload(p_)); }

    /* The old object is released last, when this one has its new value: its end may run anything. */
    ref &operator=(const ref &other) noexcept {
        ref(other).swap(*this);
        return *this;
    }
    ref &operator=(ref &&other) noexcept {
        ref(std::move(other)).swap(*this);
        return *this;
    }

    /* A ref that takes over a unit of the caller's, and one with a unit of its own of what is held or borrowed elsewhere. */
    static ref adopt(T *consumed) noexcept {
        ref r;
        r.p_ = consumed;
        return r;
    }
    static ref retain(T *borrowed) noexcept {
        wane_retain(detail::payload(borrowed));
        return adopt(borrowed);
    }

    /* Hands the unit to the caller. */
    [[nodiscard]] T *detach() noexcept { return std::exchange(p_, nullptr); }
    void reset() noexcept { ref().swap(*this); }
    void swap(ref &other) noexcept { std::swap(p_, other.p_); }

    T *get() const noexcept { return p_; }
    T &operator*() const noexcept { return *p_; }
    T *operator->() const noexcept { return p_; }
    explicit operator bool() const noexcept { return p_ != nullptr; }

    /* wane_is_unique, wane_share, wane_release_later. */
    bool unique() const noexcept { return wane_is_unique(detail::payload(p_)); }
    void share() const noexcept { wane_share(detail::payload(p_)); }
    void release_later() noexcept { wane_release_later(detail::payload(detach())); }

  private:
    T *p_ = nullptr;
};

template <class T, class U> bool operator==(const ref<T> &a, const ref<U> &b) noexcept { return a.get() == b.get(); }
template <class T, class U> bool operator!=(const ref<T> &a, const ref<U> &b) noexcept { return a.get() != b.get(); }
template <class T> bool operator==(const ref<T> &a, std::nullptr_t) noexcept { return a.get() == nullptr; }
template <class T> bool operator==(std::nullptr_t, const ref<T> &a) noexcept { return a.get() == nullptr; }
template <class T> bool operator!=(const ref<T> &a, std::nullptr_t) noexcept { return a.get() != nullptr; }
template <class T> bool operator!=(std::nullptr_t, const ref<T> &a) noexcept { return a.get() != nullptr; }
template <class T> bool operator<(const ref<T> &a, const ref<T> &b) noexcept {
    return std::less<T *>()(a.get(), b.get());
}
template <class T> void swap(ref<T> &a, ref<T> &b) noexcept { a.swap(b); }

/* As static_cast, for classes that stand first in each other. */
template <class T, class U> ref<T> cast(ref<U> r) noexcept {
    return ref<T>::adopt(detail::same_object<T>(r.detach()));
}

/* A guard for as long as it lives; in the order of their scopes, in one thread. */
class guard {
  public:
    guard() noexcept { wane_guard_enter(); }
    ~guard() { wane_guard_leave(); }
    guard(const guard &) = delete;
    guard &operator=(const guard &) = delete;
};

/*
 * A wane_slot that refers to a T: a field that the class declares in `wane_slots`, or visits in `wane_trace`, or a static
 * variable. Its destructor does nothing, as the library empties the slots of an object that dies: anywhere else, a root.
 * Any thread may use any slot at any time.
 */
template <class T> class slot {
  public:
    /*
     * Writes zero where zero is, in an object that the collector may already look at: the same for it. Not for
     * ThreadSanitizer, and a constructor of static variables that runs before all others cannot be one by an atomic store.
     */
    __attribute__((no_sanitize("thread"))) constexpr slot() noexcept : s_() {}
    slot(ref<T> r) noexcept : slot() { wane_slot_init(&s_, detail::payload(r.detach())); }
    slot(const slot &) = delete;
    slot &operator=(const slot &) = delete;
    slot &operator=(ref<T> r) noexcept {
        give(std::move(r));
        return *this;
    }

    /* A ref of what it refers to, and the same borrowed: as long as the guard lasts. */
    [[gnu::always_inline]] ref<T> load() const noexcept { return ref<T>::adopt(static_cast<T *>(wane_slot_load(&s_))); }
    T *peek(const guard &) const noexcept { return peek_locked(); }
    /* For callers that keep the slot as it is meanwhile by a lock of their own (wane/slot.h). */
    T *peek_locked() const noexcept { return static_cast<T *>(wane_slot_peek(&s_)); }

    void store(const ref<T> &r) noexcept { wane_slot_store(&s_, detail::payload(r.get())); }
    void give(ref<T> r) noexcept { wane_slot_give(&s_, detail::payload(r.detach())); }
    [[nodiscard]] ref<T> exchange(ref<T> r) noexcept {
        return ref<T>::adopt(static_cast<T *>(wane_slot_swap(&s_, detail::payload(r.detach()))));
    }
    [[nodiscard]] ref<T> take() noexcept { return ref<T>::adopt(static_cast<T *>(wane_slot_take(&s_))); }
    void clear() noexcept { wane_slot_clear(&s_); }
    /* `expected` must be held or borrowed. */
    bool compare_exchange(T *expected, const ref<T> &desired) noexcept {
        return wane_slot_cas(&s_, detail::payload(expected), detail::payload(desired.get()));
    }
    bool empty() const noexcept { return peek_locked() == nullptr; }

    wane_slot *c_slot() noexcept { return &s_; }

  private:
    mutable wane_slot s_;
};

/* A slot anywhere else: in a local variable, a container, an object that is not the library's. Empties itself at its end. */
template <class T> class root : public slot<T> {
  public:
    constexpr root() noexcept = default;
    root(ref<T> r) noexcept : slot<T>(std::move(r)) {}
    using slot<T>::operator=;
    ~root() {
        if (!this->empty())
            this->clear();
    }
};

/* A weak reference, or none. It keeps the library's weak reference, not the object. */
template <class T> class weak {
  public:
    weak() noexcept = default;
    /* Throws std::bad_alloc, or std::system_error if the thread cannot be attached. */
    explicit weak(const ref<T> &r) {
        if (r == nullptr)
            return;
        w_ = ref<wane_weak>::adopt(wane_weak_new(detail::payload(r.get()), nullptr, nullptr));
        if (w_ == nullptr)
            detail::failed("wane_weak_new");
    }
    /* From the library's weak reference, which a slot<wane_weak> may keep, and to it. */
    explicit weak(ref<wane_weak> w) noexcept : w_(std::move(w)) {}
    const ref<wane_weak> &object() const noexcept { return w_; }

    /* The object as long as it lives, else an empty ref. */
    ref<T> lock() const noexcept { return ref<T>::adopt(static_cast<T *>(wane_weak_get(w_.get()))); }
    void reset() noexcept { w_.reset(); }

  private:
    ref<wane_weak> w_;
};

/* What wane_trace gets: visits slots. */
class visitor {
  public:
    explicit visitor(wane_visitor *v) noexcept : v_(v) {}
    template <class T> void operator()(slot<T> &s) noexcept { wane_visit(v_, s.c_slot()); }
    template <class T> void operator()(slot<T> *s, std::size_t n) noexcept {
        if (n > 0)
            wane_visit_n(v_, s->c_slot(), n);
    }

  private:
    wane_visitor *v_;
};

namespace detail {

template <class S> struct slots_in : std::integral_constant<std::size_t, 0> {};
template <class T> struct slots_in<slot<T>> : std::integral_constant<std::size_t, 1> {
    static_assert(sizeof(slot<T>) == sizeof(wane_slot), "n in a row are n of the library's");
};
template <class S, std::size_t N> struct slots_in<S[N]> : std::integral_constant<std::size_t, N * slots_in<S>::value> {};

template <class S, class C> constexpr std::size_t count_slots(S C::*) {
    static_assert(slots_in<S>::value > 0, "not a wane::slot, or an array of them");
    return slots_in<S>::value;
}

/* A pointer to a data member is its offset, in the ABI of this platform: no object is needed to ask it. */
template <class T, class S, class C> std::size_t *put_offsets(std::size_t *to, S C::*member) noexcept {
    S T::*own = member;
    static_assert(sizeof own == sizeof(std::size_t), "the Itanium C++ ABI");
    std::size_t offset;
    std::memcpy(&offset, &own, sizeof offset);
    for (std::size_t i = 0; i < slots_in<S>::value; i++)
        *to++ = offset + i * sizeof(wane_slot);
    return to;
}

} // namespace detail

/* The fields of a class that are slots. */
template <auto... Members> struct slots {
    static constexpr std::size_t count = (std::size_t{0} + ... + detail::count_slots(Members));
    static_assert(count <= 32, "at most 32 slots at fixed offsets; visit others in wane_trace");

    template <class T> static const std::size_t *list() noexcept {
        struct offsets {
            std::size_t at[count + 1];
            offsets() noexcept {
                std::size_t *end = at;
                ((end = detail::put_offsets<T>(end, Members)), ...);
                *end = WANE_SLOTS_END;
            }
        };
        static const offsets o;
        return o.at;
    }

    template <auto... More> using with = slots<Members..., More...>;
};

/* Reads what a class declares: befriend it if that is private. */
struct access {
    template <class T, class = void> struct slots_of { using type = slots<>; };
    template <class T> struct slots_of<T, std::void_t<typename T::wane_slots>> { using type = typename T::wane_slots; };

    template <class T, class = void> struct traces : std::false_type {};
    template <class T>
    struct traces<T, std::void_t<decltype(std::declval<T &>().wane_trace(std::declval<visitor &>()))>> : std::true_type {};

    template <class T, class = void> struct finalizes : std::false_type {};
    template <class T>
    struct finalizes<T, std::void_t<decltype(std::declval<T &>().wane_finalize())>> : std::true_type {};

    template <class T, class = void> struct flags : std::integral_constant<unsigned, 0> {};
    template <class T>
    struct flags<T, std::void_t<decltype(T::wane_flags)>> : std::integral_constant<unsigned, T::wane_flags> {};

    template <class T, class = void> struct named : std::false_type {};
    template <class T> struct named<T, std::void_t<decltype(T::wane_name)>> : std::true_type {};

    template <class T> static void trace(void *self, wane_visitor *v) noexcept {
        visitor each(v);
        static_cast<T *>(self)->wane_trace(each);
    }
    template <class T> static void finalize(void *self) noexcept { static_cast<T *>(self)->wane_finalize(); }
    template <class T> static void destroy(void *self) noexcept { static_cast<T *>(self)->~T(); }
    template <class T> static constexpr const char *name() { return T::wane_name; }
};

template <class Base, auto... Members>
using more_slots = typename access::slots_of<Base>::type::template with<Members...>;

namespace detail {

/* The name of T, out of what the compiler calls this function. */
template <class T> constexpr std::string_view pretty() {
    constexpr std::string_view all = __PRETTY_FUNCTION__;
    constexpr std::size_t begin = all.find("T = ") + 4;
    constexpr std::size_t end = all.find_first_of(";]", begin);
    return all.substr(begin, end - begin);
}

template <class T> struct name_of {
    char text[pretty<T>().size() + 1];
    constexpr name_of() : text() {
        for (std::size_t i = 0; i < pretty<T>().size(); i++)
            text[i] = pretty<T>()[i];
    }
    static const char *get() noexcept {
        static constexpr name_of name;
        return name.text;
    }
};

template <class T> wane_type describe_bare() noexcept {
    using declared = typename access::slots_of<T>::type;
    wane_type t = {};
    if constexpr (access::named<T>::value)
        t.name = access::name<T>();
    else
        t.name = name_of<T>::get();
    t.size = sizeof(T);
    if constexpr (declared::count > 0)
        t.slots = declared::template list<T>();
    if constexpr (access::traces<T>::value)
        t.trace = [](void *, wane_visitor *) noexcept {};
    t.flags = access::flags<T>::value;
    return t;
}

template <class T> wane_type describe() noexcept {
    wane_type t = describe_bare<T>();
    if constexpr (access::traces<T>::value)
        t.trace = access::trace<T>;
    if constexpr (access::finalizes<T>::value)
        t.finalize = access::finalize<T>;
    if constexpr (!std::is_trivially_destructible_v<T>)
        t.destroy = access::destroy<T>;
    return t;
}

/* For objects whose constructor threw. */
template <class T> wane_type *bare_type() noexcept {
    static wane_type t = describe_bare<T>();
    return &t;
}

} // namespace detail

/* The library's description of a class: to compare with wane_typeof. */
template <class T> wane_type *type() noexcept {
    static_assert(std::is_object_v<T> && !std::is_array_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T>, "a class");
    static_assert(alignof(T) <= 16, "objects are aligned to 16 bytes");
    static wane_type t = detail::describe<T>();
    return &t;
}

/* As wane_type_forget: before the code of T is unmapped. 0, or -EBUSY while there are objects. */
template <class T> int forget() noexcept {
    int error = wane_type_forget(type<T>());
    return error != 0 ? error : wane_type_forget(detail::bare_type<T>());
}

/*
 * Makes an object by T's constructor. Throws what that throws, after which nothing is left of the object: what the constructor
 * had completed is destroyed, its slots are emptied, and neither ~T nor wane_finalize is called. std::bad_alloc without
 * memory, std::system_error if the thread cannot be attached.
 */
template <class T, class... Args> [[nodiscard]] ref<T> make(Args &&...args) {
    static_assert(std::is_constructible_v<T, Args...>, "T has no such constructor (an aggregate with values needs one)");
    void *memory = wane_new_at(type<T>(), 0, nullptr);
    if (__builtin_expect(memory == nullptr, 0))
        detail::failed("wane_new");
    T *made;
    if constexpr (std::is_nothrow_constructible_v<T, Args...>) {
        if constexpr (sizeof...(Args) == 0)
            made = ::new (memory) T; /* it is zero: nothing has to write that again, beside the collector */
        else
            made = ::new (memory) T(std::forward<Args>(args)...);
    } else {
#if defined(__cpp_exceptions)
        try {
            if constexpr (sizeof...(Args) == 0)
                made = ::new (memory) T;
            else
                made = ::new (memory) T(std::forward<Args>(args)...);
        } catch (...) {
            wane_abandon(memory, detail::bare_type<T>());
            throw;
        }
#else
        made = ::new (memory) T(std::forward<Args>(args)...);
#endif
    }
    return ref<T>::adopt(made);
}

} // namespace wane

template <class T> struct std::hash<wane::ref<T>> {
    std::size_t operator()(const wane::ref<T> &r) const noexcept { return std::hash<T *>()(r.get()); }
};

#endif
