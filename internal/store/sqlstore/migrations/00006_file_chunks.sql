-- Contents of files, in pieces, where several machines share one database. With
-- SQLite they lie in a directory and this table stays empty.

-- +goose Up
CREATE TABLE file_chunks (
    sha256 BLOB    NOT NULL,
    piece  INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    PRIMARY KEY (sha256, piece)
);
