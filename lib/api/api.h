/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* api/api.h: what the files of this folder tell each other. */
#ifndef WANE_API_API_H
#define WANE_API_API_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the first thread was attached: some options can no longer be changed. */
bool wane__started(void);

/* Reads the environment at its first call. */
void wane__options_read_environment(void);

/* The name of option i, or NULL after the last one. */
const char *wane__option_name(size_t i);

/* Owes the log a line for each variable of the environment that looks like an option and is none. Once, at the start. */
void wane__options_check_names(void);

/* After r's thread worked: the event descriptor, if there is one, is made readable if there is more to do. */
struct wane__record;
void wane__loop_settle(void);

#endif
