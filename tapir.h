// The one header a program includes.
#pragma once
#include <tapir/autograd/gradient_tape.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/variable.h>
