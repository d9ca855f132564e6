// All networks of this folder. Each is made of public layers; copy what you need.
#pragma once
#include <tapir/examples/networks/airbench.h>
#include <tapir/examples/networks/mobilenet.h>
#include <tapir/examples/networks/resnet.h>
#include <tapir/examples/networks/unet.h>
#include <tapir/examples/networks/vgg.h>
