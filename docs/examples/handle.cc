/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* C++: a handle in the place of std::shared_ptr. */
#include <cstdio>
#include <new>
#include <utility>
#include <wane.h>

template <class T> class handle {
  public:
    handle() = default;
    static handle adopt(T *p) { return handle(p); } /* takes over the caller's unit */
    handle(const handle &h) : p_(static_cast<T *>(wane_retain(h.p_))) {}
    handle(handle &&h) noexcept : p_(std::exchange(h.p_, nullptr)) {}
    handle &operator=(handle h) noexcept { std::swap(p_, h.p_); return *this; }
    ~handle() { wane_release(p_); }
    T *operator->() const { return p_; }
    explicit operator bool() const { return p_ != nullptr; }

  private:
    explicit handle(T *p) : p_(p) {}
    T *p_ = nullptr;
};

/* One wane_type for each class; its destructor is `destroy`. */
template <class T> wane_type *type_of() {
    static wane_type t = [] {
        wane_type made{};
        made.name = T::name;
        made.size = sizeof(T);
        made.destroy = [](void *self) { static_cast<T *>(self)->~T(); };
        return made;
    }();
    return &t;
}

template <class T, class... Args> handle<T> make(Args &&...args) {
    void *memory = wane_new(type_of<T>());
    if (memory == nullptr)
        throw std::bad_alloc();
    return handle<T>::adopt(new (memory) T(std::forward<Args>(args)...));
}

struct user {
    static constexpr const char *name = "user";
    explicit user(int n) : number(n) {}
    ~user() { std::printf("user %d leaves\n", number); }
    int number;
};

int main() {
    handle<user> a = make<user>(3);
    handle<user> b = a;
    a = handle<user>();
    std::printf("%d\n", b->number);
}
/* prints:
3
user 3 leaves
*/
