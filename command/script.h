// What a script sees without including it. `tapir run` and `tapir repl` keep this header precompiled.
#pragma once
#include <tapir/command/session_values.h>
#include <tapir/tapir.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <utility>
#include <vector>
