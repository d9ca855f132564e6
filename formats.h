// All of libtapir_formats: files of other programs that need a library of their own. Not part of <tapir/tapir.h>; link
// with `pkg-config --libs tapir_formats`, CMake's tapir::formats, or meson's dependency tapir_formats.
#pragma once
#include <tapir/formats/convert.h>
#include <tapir/formats/hdf5.h>
#include <tapir/formats/image.h>
#include <tapir/formats/keras.h>
#include <tapir/formats/onnx.h>
