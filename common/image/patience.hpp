#pragma once

namespace workshop {

/// How much longer than usual to wait for a network, from $WORKSHOP_PATIENCE: a factor on every wait of ours
/// (for a connection, for the next byte, before another try), 1 without it. 3 suits a poor satellite link;
/// tests take a fraction. What a server asks for with Retry-After is the server's word, and not touched.
double patience();

}  // namespace workshop
