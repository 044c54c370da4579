/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "base/option.h"

struct wane__options wane__options = {
#define WANE__OPTION_INITIAL(name, initial, least, greatest) .x##name = (initial),
    WANE__OPTIONS(WANE__OPTION_INITIAL)
#undef WANE__OPTION_INITIAL
};
