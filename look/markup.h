// What pages and drawings share: text that is safe inside XML and HTML, how wide it is drawn, the colours.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace tapir::look {

/// `text` inside an element or a quoted attribute: `<`, `>`, `&` and quotes as entities; bytes that are no UTF-8 and
/// characters that XML does not allow as U+FFFD.
std::string escaped(std::string_view text);

/// `text`, which is UTF-8, cut to at most `length` characters, the last of them "…" if something is missing.
std::string shortened(std::string_view text, std::size_t length);

/// As `shortened`, and filled with spaces up to `length` characters.
std::string column(std::string_view text, std::size_t length);

/// About how many pixels `text` takes in a sans-serif font of this size; rather too many than too few.
double text_width(std::string_view text, double font_size, bool bold = false);

/// Style rules, for light and dark: `.tp` sets the colours, as variables, for what is inside.
const std::string& colour_rules();

}  // namespace tapir::look
