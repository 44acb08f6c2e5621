// `image pull` from a registry that misbehaves: what is tried again, what is refused, and with which words.

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "common/testing/catch.hpp"
#include "common/tests/fault_row.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;
using std::chrono::milliseconds;

namespace {

using Change = std::function<Reply(Reply)>;

/// The blob of the sample's second layer.
std::string layer() {
  return "/blobs/" + digest_text(sample().layers[1]);
}

std::string config() {
  return "/blobs/" + digest_text(sample().config);
}

Change status(int number, const std::string& headers = "", const std::string& body = "") {
  return [=](Reply) { return Reply{number, headers, body}; };
}

Change redirect(const std::string& location) {
  return status(307, "Location: " + location + "\r\n");
}

/// The good answer, changed.
Change but(const std::function<void(Reply&)>& change) {
  return [=](Reply good) {
    change(good);
    return good;
  };
}

Change flipped() {
  return but([](Reply& reply) { reply.body[reply.body.size() / 2] ^= 1; });
}

/// `seconds` from now, as RFC 9110, section 5.6.7 writes it.
std::string date_in(int seconds) {
  const std::time_t when = std::time(nullptr) + seconds;
  std::tm broken_down{};
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", ::gmtime_r(&when, &broken_down));
  return text;
}

/// Breaks the layer off in the middle; `then` is what comes of the request for the rest.
FaultyRegistry::Fault broken_off(const std::function<Reply(const Request&, Reply)>& then) {
  return [=](const Request& request, Reply good) {
    if (!contains(request.path, layer())) return good;
    if (request.number == 0) return but([](Reply& reply) { reply.reset_after = 100'000; })(std::move(good));
    return request.number == 1 ? then(request, std::move(good)) : good;
  };
}

void judge_all(const std::vector<FaultRow>& rows) {
  for (const auto& row : rows) judge(row);
}

}  // namespace

TEST_CASE("a registry that is busy for a moment is asked again, one that stays so is given up") {
  const auto too_many = [](const std::string& after) {
    return status(429, "Retry-After: " + after + "\r\n");
  };
  judge_all({
      {"503, then fine", first("/manifests/", status(503)), ""},
      {"503 for ever", on("/manifests/", status(503)), "answers 503"},
      {"500 for a layer, then fine", first(layer(), status(500)), ""},
      {"500 for a layer, for ever", on(layer(), status(500)), "answers 500"},
      {"429 with Retry-After in seconds", first("/manifests/", too_many("1")), ""},
      {"429 with Retry-After as a date", first("/manifests/", too_many(date_in(2))), ""},
      {"429 with a date that has passed", first("/manifests/", too_many(date_in(-100))), ""},
      {"429 with nonsense in Retry-After", first("/manifests/", too_many("soon")), ""},
      {"429 with a Retry-After nobody waits for", on("/manifests/", too_many("86400")), "Retry-After 86400"},
      {"429 with a date nobody waits for", on("/manifests/", too_many(date_in(86400))), "share"},
      {"429 with 10^30 seconds", on(layer(), too_many("1" + std::string(30, '0'))), "docker login"},
  });
}

TEST_CASE("Retry-After is obeyed") {
  const Scratch scratch;
  FaultyRegistry server(sample().content());
  std::vector<std::chrono::steady_clock::time_point> times;
  server.become(sample().content(), [&](const Request& request, Reply good) {
    if (!contains(request.path, "/manifests/")) return good;
    times.push_back(std::chrono::steady_clock::now());
    return request.number == 0 ? Reply{503, "Retry-After: 1\r\n"} : good;
  });
  WORKSHOP_RUN(scratch, "WORKSHOP_PATIENCE=0.01 image pull -q " + server.address() + "/image");
  REQUIRE(times.size() == 2);
  CHECK(times[1] - times[0] >= milliseconds(990));
}

TEST_CASE("a connection that breaks is taken up again where it broke") {
  const auto reset_at = [](std::size_t bytes) {
    return but([=](Reply& reply) { reply.reset_after = bytes; });
  };
  const auto no_answer = but([](Reply& reply) { reply.reset_at_once = true; });
  const auto part = [](const char* range) {
    return [=](const Request&, Reply good) {
      good.headers = fmt::format("Content-Range: {}\r\n", range);
      return good;
    };
  };
  judge_all({
      {"resets the connection once, before the manifest", first("/manifests/", no_answer), ""},
      {"resets it every time", on("/manifests/", no_answer), "cannot get"},
      {"resets in the middle of the manifest", first("/manifests/", reset_at(100)), ""},
      {"resets before each blob", first("/blobs/", no_answer), ""},
      {"resets after 70,000 bytes, each time", on(layer(), reset_at(70'000)), ""},
      {"resets before a layer, each time", on(layer(), reset_at(0)), "what came so far is kept"},
      {"sends a layer elsewhere, where nobody listens", on(layer(), redirect("http://127.0.0.1:1/")),
       "what came so far is kept"},
      {"sends a layer once to where nobody listens, as while it restarts",
       first(layer(), redirect("http://127.0.0.1:1/")), ""},
      {"ignores Range", broken_off([](const Request&, Reply) {
         return Reply{200, "", sample().layers[1]};
       }),
       ""},
      {"sends another part than was asked for", broken_off(part("bytes 5-9/10")), ""},
      {"sends a part and does not say which", broken_off(part("")), ""},
      {"answers 416", broken_off([](const Request&, Reply) { return Reply{416}; }), ""},
      {"answers 416 to everything", on("/", status(416)), "answers 416"},
      {"sends 100,000 bytes too few, and no Content-Length", first(layer(), but([](Reply& reply) {
                                                                     reply.length = "none";
                                                                     reply.reset_after =
                                                                         reply.body.size() - 100'000;
                                                                   })),
       ""},
  });
}

TEST_CASE("of a layer that broke off, the rest is fetched and nothing else") {
  const Scratch scratch;
  FaultyRegistry server(sample().content());
  const auto fault = [](const Request& request, Reply good) {
    if (contains(request.path, layer()) && request.number == 0) good.stall_after = 100'000;
    return good;
  };
  server.become(sample().content(), fault);
  WORKSHOP_RUN(scratch, "WORKSHOP_PATIENCE=0.03 image pull -q " + server.address() + "/image");
  const auto requests = server.requests();
  const auto last = std::find_if(requests.rbegin(), requests.rend(),
                                 [](const Request& request) { return contains(request.path, layer()); });
  REQUIRE(last != requests.rend());
  CHECK(last->offset == 100'000);
}

TEST_CASE("what stands still is given up, what is slow is not") {
  const auto stalls = [](std::size_t bytes) { return but([=](Reply& reply) { reply.stall_after = bytes; }); };
  // The limit is one second here; the slow answer takes three.
  judge_all({
      {"stops in the middle of the manifest, once", first("/manifests/", stalls(10)), ""},
      {"sends a layer slowly", on(layer(), but([](Reply& reply) {
                                    reply.drip = milliseconds(200);
                                    reply.piece = 20'000;
                                  })),
       ""},
  });
}

TEST_CASE("what is not as long, or not the bytes, that the manifest promises is refused") {
  judge_all({
      {"sends a layer that is too short", on(layer(), but([](Reply& reply) { reply.body.pop_back(); })),
       "wrong size"},
      {"sends a layer that is too long", on(layer(), but([](Reply& reply) { reply.body += 'x'; })),
       "more bytes came"},
      {"sends a layer without end", on(layer(), but([](Reply& reply) {
                                         reply.length = "none";
                                         reply.endless = true;
                                       })),
       "more bytes came"},
      {"sends an empty layer", on(layer(), status(200)), "wrong size"},
      {"says a layer is shorter than it is", on(layer(), but([](Reply& reply) { reply.length = "1000"; })),
       "wrong size"},
      {"says a layer is longer than it is",
       first(layer(), but([](Reply& reply) { reply.length = std::to_string(reply.body.size() + 1000); })),
       ""},
      {"sends another layer", on(layer(), flipped()), "wrong digest"},
      {"sends another configuration", on(config(), flipped()), "wrong digest"},
      {"sends a manifest with another digest than it says",
       on("/manifests/",
          but([](Reply& reply) { reply.headers = "Docker-Content-Digest: sha256:\x1b[2Jabc\r\n"; })),
       "wrong digest"},
  });
}

TEST_CASE("redirects lead somewhere, in the end, and nowhere they should not") {
  const std::string moved = "/moved/" + digest_text(sample().layers[1]);
  auto content = sample().content();
  content[moved] = sample().layers[1];
  judge_all({
      {"redirects a layer", on(layer(), redirect(moved)), "", content},
      {"redirects a layer in a circle", on(layer(), redirect("/v2/image" + layer())),
       "redirects without end"},
      {"redirects the manifest in a circle", on("/manifests/", redirect("latest")), "redirects without end"},
      {"redirects to a file", on("/manifests/", redirect("file:///etc/passwd")), "refused to fetch"},
      {"redirects to plain HTTP elsewhere", on(layer(), redirect("http://192.0.2.1/")),
       "plain HTTP is for registries on this machine only"},
      {"redirects to what is no URL", on("/manifests/", redirect("http://[\x1b[31m")), "no URL"},
      {"redirects to nowhere", on("/manifests/", status(302)), "is it a registry?"},
  });
}

TEST_CASE("floods do not get far") {
  const auto flood = [](const std::string& line) { return but([=](Reply& reply) { reply.flood = line; }); };
  const auto endless = [](int number) {
    return [=](Reply) {
      Reply reply{number, "", std::string(100'000, 'x')};
      reply.length = "none";
      reply.endless = true;
      return reply;
    };
  };
  judge_all({
      {"sends headers without end", on("/manifests/", flood("X-Flood: 1\r\n")), "headers without end"},
      {"sends 'Continue' without end",
       on(layer(),
          [](Reply) {
            Reply reply{100};
            reply.length = "none";
            reply.flood = "\r\nHTTP/1.1 100 Continue\r\n";
            return reply;
          }),
       "headers without end"},
      {"sends a manifest without end", on("/manifests/", endless(200)), "more than 8 MiB"},
      {"sends an error without end", on("/manifests/", endless(404)), "check the name and the tag"},
      {"puts control characters into its message",
       on("/manifests/", status(404, "", R"({"errors": [{"message": "\u001b[2J\u009bmoved\n"}]})")), "moved"},
      {"is no registry", on("/manifests/", status(200, "", "<html>")), "not a valid manifest"},
  });
}
