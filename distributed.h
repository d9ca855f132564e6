// All of libtapir_distributed: training by several processes, over MPI. Not part of <tapir/tapir.h>; link with
// `pkg-config --libs tapir_distributed`, CMake's tapir::distributed, or meson's dependency tapir_distributed.
#pragma once
#include <tapir/distributed/data_parallel.h>
#include <tapir/distributed/world.h>
