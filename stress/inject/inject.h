// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What a program may ask the fault injector that it was started with; both are NULL without one.
#ifndef WANE_STRESS_INJECT_H
#define WANE_STRESS_INJECT_H

#include <stdbool.h>
#include <stdint.h>

// Whether faults are planted, and the errors that come of them are the program's to handle.
bool inject_reports(void) __attribute__((weak));

// How many calls failed so far.
uint64_t inject_failed(void) __attribute__((weak));

// From now on nothing fails.
void inject_stop(void) __attribute__((weak));

#endif
