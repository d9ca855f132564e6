// A file is replaced whole or not at all.
#include <tapir/test/io/files.h>

#include <tapir/io/npy.h>
#include <tapir/io/output_file.h>
#include <tapir/io/safetensors.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <csignal>

using namespace files;

// While it lives, no file of this process may grow beyond `bytes`: as a full disk, write() fails midway.
struct FullDisk {
  rlimit old;
  explicit FullDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    rlimit now = old;
    now.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &old); }
};

TEST_CASE("a failure midway leaves the old file whole and nothing else") {
  TempFolder folder;
  std::string path = folder / "x";
  write_bytes(path, "the old file");
  Tensor large = sample(DType::f32, {10000});
  auto fails = [&](auto save) {
    FullDisk full(20000);
    return error_of<FileError>(save);
  };
  CHECK(fails([&] { io::save_npy(path, large); }) == "save_npy: " + path + ": cannot be written, File too large.");
  CHECK(fails([&] {
          io::save_npz(path, {{"a", large}});
        }) == "save_npz: " + path + ": cannot be written, File too large.");
  CHECK(fails([&] {
          io::save_npz(path, {{"a", large}, {"b", large}, {"c", large}}, {.compress = true});
        }) == "save_npz: " + path + ": cannot be written, File too large.");
  CHECK(fails([&] {
          io::save_safetensors(path, {{"a", large}});
        }) == "save_safetensors: " + path + ": cannot be written, File too large.");
  CHECK(bytes_of(path) == "the old file");
  CHECK(folder.count() == 1);
  io::save_npy(path, large);
  CHECK(same(io::load_npy(path), large));
  CHECK(folder.count() == 1);
}

TEST_CASE("without commit there is nothing") {
  TempFolder folder;
  {
    detail::OutputFile file({"test", folder / "x"});
    file.write("some bytes");
    CHECK(file.size() == 10);
    CHECK(folder.count() == 1);
    CHECK_FALSE(std::filesystem::exists(folder / "x"));
  }
  CHECK(folder.count() == 0);
}

TEST_CASE("bytes, patches and commit") {
  TempFolder folder;
  detail::OutputFile file({"test", folder / "x"});
  file.write("0123456789");
  file.patch(2, "ab");
  file.write("xyz");
  CHECK_THROWS_AS(file.patch(12, "ab"), InternalError);
  file.commit();
  CHECK(bytes_of(folder / "x") == "01ab456789xyz");
  CHECK(folder.count() == 1);
}

TEST_CASE("links stay links, modes stay modes") {
  TempFolder folder;
  write_bytes(folder / "real", "old");
  ::chmod((folder / "real").c_str(), 0640);
  std::filesystem::create_symlink("real", folder / "link");
  io::save_npy(folder / "link", sample(DType::f32, {3}));
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(same(io::load_npy(folder / "real"), sample(DType::f32, {3})));
  struct stat info;
  REQUIRE(::stat((folder / "real").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0640);
  CHECK(folder.count() == 2);
}

TEST_CASE("places where no file can be") {
  TempFolder folder;
  Tensor x = sample(DType::f32, {3});
  std::string missing = folder / "no_such_folder/x.npy";
  CHECK(error_of<FileError>([&] { io::save_npy(missing, x); }) ==
        "save_npy: " + missing + ": cannot be written, No such file or directory.");
  CHECK(error_of<FileError>([&] { io::save_npy(folder.path, x); }) ==
        "save_npy: " + folder.path + ": is a folder, not a file.");
  CHECK(error_of<FileError>([&] { io::save_npy("/dev/null", x); }) == "save_npy: /dev/null: is not a regular file.");
  CHECK(folder.count() == 0);
  if (::geteuid() != 0) {  // root may write anywhere
    ::chmod(folder.path.c_str(), 0555);
    CHECK(error_of<FileError>([&] { io::save_npy(folder / "x.npy", x); }) ==
          "save_npy: " + (folder / "x.npy") + ": cannot be written, Permission denied.");
    ::chmod(folder.path.c_str(), 0755);
  }
}
