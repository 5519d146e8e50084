/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"

/* Digits, with or without something between them: is that the number of a payment card? Its length and first digits are
 * those of an issuer (ISO/IEC 7812-1, and what the networks publish), and its last one is the check digit (Luhn). Of
 * other numbers of such a length and beginning one in ten passes. */
bool azm_is_card(struct azm_text t);
