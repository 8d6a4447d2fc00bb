//! What the hub answers when nothing goes wrong.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::State;
use super::http::{Request, Response};
use super::repo::{Access, Blob, Files, Repo, tree};

/// Entries of the tree in one page; few, so that every listing has pages.
const PAGE: usize = 3;

/// The right answer. A refusal on the way is an answer as well, so that `?` can give it.
pub(super) fn answer(state: &mut State, request: &Request) -> Response {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let answer = match (request.to_cdn, request.method.as_str(), segments.as_slice()) {
        (true, "GET" | "HEAD", ["lfs", sha256, ..]) => cdn(state, sha256),
        (false, "GET" | "HEAD", ["plain", path @ ..]) => {
            let bytes = state.plain.get(&path.join("/"));
            Ok(bytes.map_or_else(|| Response::new(404), |bytes| Response::file(bytes)))
        }
        (false, "GET", ["api", "whoami-v2"]) => whoami(request),
        (false, "POST", ["api", "repos", "create"]) => create(state, request),
        (false, "GET", ["api", "models", org, name, rest @ ..]) => {
            readable(state, request, &format!("{org}/{name}")).and_then(|repo| get(state, request, repo, rest))
        }
        (false, "POST", ["api", "models", org, name, rest @ ..]) => {
            post(state, request, &format!("{org}/{name}"), rest)
        }
        (false, "GET" | "HEAD", [org, name, "resolve", revision, path @ ..]) => {
            let repo = readable(state, request, &format!("{org}/{name}"));
            repo.and_then(|repo| file(state, request, repo, revision, &path.join("/")))
        }
        _ => Err(no_page()),
    };
    answer.unwrap_or_else(|refusal| refusal)
}

type Answer = Result<Response, Response>;

fn no_page() -> Response {
    Response::error(404, "", "Sorry, we can't find the page you are looking for.")
}

fn unknown_revision(revision: &str) -> Response {
    Response::error(404, "RevisionNotFound", &format!("Invalid rev id: {revision}"))
}

fn no_entry(commit: &str) -> Response {
    Response::error(404, "EntryNotFound", "Entry not found").with("X-Repo-Commit", commit)
}

/// The repository, where the request may see it.
fn readable<'a>(state: &'a State, request: &Request, id: &str) -> Result<(String, &'a Repo), Response> {
    let hidden = Response::error(401, "RepoNotFound", "Invalid username or password.");
    let Some(repo) = state.repos.get(id) else {
        let missing = Response::error(404, "RepoNotFound", "Repository not found");
        return Err(if request.token().is_none() { hidden } else { missing });
    };
    let message = format!("Access to model {id} is restricted and you are not in the authorized list.");
    match (&repo.access, request.token()) {
        (Some(Access::Private { token }), given) if given != Some(token) => Err(hidden),
        (Some(Access::Gated { .. }), None) => Err(Response::error(401, "GatedRepo", &message)),
        (Some(Access::Gated { token }), Some(given)) if given != token => {
            Err(Response::error(403, "GatedRepo", &message))
        }
        _ => Ok((id.to_owned(), repo)),
    }
}

fn writable(state: &State, request: &Request) -> Result<(), Response> {
    match (request.token(), &state.writer) {
        (None, _) => Err(Response::error(401, "", "Invalid username or password.")),
        (Some(given), Some(token)) if given != token => {
            Err(Response::error(403, "", "You don't have the rights to create or change this."))
        }
        _ => Ok(()),
    }
}

fn cdn(state: &State, sha256: &str) -> Answer {
    let commits = state.repos.values().flat_map(|repo| repo.commits.values());
    let mut blobs = commits.flat_map(|files| files.values());
    let blob = blobs.find(|blob| blob.lfs.as_ref().is_some_and(|(name, _)| name == sha256));
    let blob = blob.ok_or_else(|| Response::new(403))?;
    Ok(Response::file(&blob.bytes).with("ETag", &format!("\"{sha256}\"")))
}

fn file(state: &State, request: &Request, (id, repo): (String, &Repo), revision: &str, path: &str) -> Answer {
    let (commit, files) = repo.resolve(revision).ok_or_else(|| unknown_revision(revision))?;
    let blob = files.get(path).ok_or_else(|| no_entry(commit))?;
    let etag = format!("\"{}\"", blob.oid);
    let response = match &blob.lfs {
        Some((sha256, _)) => {
            // The name at the end is for tests that look for it, as the signed addresses of the real one hold it too.
            let name = request.path.rsplit('/').next().unwrap_or_default();
            Response::redirect(302, &format!("{}/lfs/{sha256}/{id}/{name}", state.cdn))
                .with("X-Linked-Etag", &format!("\"{sha256}\""))
                .with("X-Linked-Size", &blob.bytes.len().to_string())
        }
        None if request.header("if-none-match") == Some(&etag) => Response::new(304),
        None => Response::file(&blob.bytes),
    };
    Ok(response.with("ETag", &etag).with("X-Repo-Commit", commit))
}

fn whoami(request: &Request) -> Answer {
    let token = request.token().ok_or_else(|| Response::error(401, "", "Invalid username or password."))?;
    let auth = json!({ "type": "access_token", "accessToken": { "displayName": token, "role": "write" } });
    Ok(Response::json(&json!({ "type": "user", "name": "tester", "fullname": "Tester", "orgs": [], "auth": auth })))
}

fn get(state: &State, request: &Request, (id, repo): (String, &Repo), rest: &[&str]) -> Answer {
    let revision = rest.get(1).copied().unwrap_or("main");
    let reference = |name: &str, kind: &str, commit: &str| {
        let reference = format!("refs/{kind}/{name}");
        json!({ "name": name, "ref": reference, "targetCommit": commit })
    };
    if rest == ["refs"] {
        let branches: Vec<Value> = repo.head.iter().map(|commit| reference("main", "heads", commit)).collect();
        let tags: Vec<Value> = repo.tags.iter().map(|(tag, commit)| reference(tag, "tags", commit)).collect();
        return Ok(Response::json(&json!({ "branches": branches, "tags": tags, "converts": [] })));
    }
    let (commit, files) = repo.resolve(revision).ok_or_else(|| unknown_revision(revision))?;
    match rest {
        [] | ["revision", _] => {
            let siblings: Vec<Value> = files.keys().map(|path| json!({ "rfilename": path })).collect();
            Ok(Response::json(&json!({
                "_id": "0123456789abcdef01234567", "id": id, "modelId": id, "author": id.split('/').next(),
                "sha": commit,
                "lastModified": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z", "disabled": false,
                "private": matches!(repo.access, Some(Access::Private { .. })), "downloads": 0, "likes": 0,
                "gated": if matches!(repo.access, Some(Access::Gated { .. })) { json!("auto") } else { json!(false) },
                "siblings": siblings, "tags": [], "spaces": [],
            })))
        }
        ["tree", _, folder @ ..] => {
            let is_recursive = request.query("recursive").is_some_and(|value| value != "false");
            let entries = tree(files, &folder.join("/"), is_recursive);
            let first = request.query("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
            let page: Vec<&Value> = entries.values().skip(first).take(PAGE).collect();
            if page.is_empty() && !folder.is_empty() {
                return Err(no_entry(commit));
            }
            let response = Response::json(&json!(page));
            if first + PAGE >= entries.len() {
                return Ok(response);
            }
            let path = request.path.split("cursor=").next().unwrap_or_default().trim_end_matches(['&', '?']);
            let mark = if path.contains('?') { '&' } else { '?' };
            let next = format!("<{}{path}{mark}cursor={}>; rel=\"next\"", state.endpoint, first + PAGE);
            Ok(response.with("Link", &next))
        }
        _ => Err(no_page()),
    }
}

fn create(state: &mut State, request: &Request) -> Answer {
    writable(state, request)?;
    let body = request.json();
    let organization = body["organization"].as_str().unwrap_or("tester");
    let id = format!("{organization}/{}", body["name"].as_str().unwrap_or_default());
    let answer = json!({ "url": format!("{}/{id}", state.endpoint), "name": id, "id": id });
    if state.repos.contains_key(&id) {
        let refusal = Response::error(409, "", "You already created this model repo");
        return Err(Response { body: answer.to_string().into_bytes(), ..refusal });
    }
    let token = request.token().unwrap_or_default().to_owned();
    let access = (body["private"] == true).then_some(Access::Private { token });
    let mut repo = Repo { access, ..Repo::default() };
    let attributes = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n".to_vec();
    repo.commit(Files::from([(".gitattributes".to_owned(), Arc::new(Blob::new(".gitattributes", attributes)))]));
    state.repos.insert(id, repo);
    Ok(Response::json(&answer))
}

fn post(state: &mut State, request: &Request, id: &str, rest: &[&str]) -> Answer {
    let (_, repo) = readable(state, request, id)?;
    let [action, revision] = rest else { return Err(no_page()) };
    let (target, files) = repo.resolve(revision).ok_or_else(|| unknown_revision(revision))?;
    let (target, mut files) = (target.to_owned(), files.clone());
    if *action == "paths-info" {
        let mut entries = tree(&files, "", true);
        let found: Vec<Value> = request.list("paths").iter().filter_map(|path| entries.remove(path)).collect();
        return Ok(Response::json(&json!(found)));
    }
    writable(state, request)?;
    let endpoint = state.endpoint.clone();
    let repo = state.repos.get_mut(id).ok_or_else(no_page)?;
    match *action {
        "preupload" => {
            let mode = |file: &Value| json!({ "path": file["path"], "uploadMode": "regular", "shouldIgnore": false });
            let modes: Vec<Value> = request.json()["files"].as_array().into_iter().flatten().map(mode).collect();
            Ok(Response::json(&json!({ "files": modes })))
        }
        "tag" => {
            let tag = request.json()["tag"].as_str().unwrap_or_default().to_owned();
            if repo.tags.contains_key(&tag) {
                return Err(Response::error(409, "", &format!("Tag reference exists already: refs/tags/{tag}")));
            }
            repo.tags.insert(tag, target);
            Ok(Response::new(201))
        }
        "commit" if *revision != "main" => Err(unknown_revision(revision)),
        "commit" => {
            change(&mut files, &target, &request.body)?;
            let commit = repo.commit(files);
            let url = format!("{endpoint}/{id}/commit/{commit}");
            Ok(Response::json(&json!({ "success": true, "commitOid": commit, "commitUrl": url, "hookOutput": "" })))
        }
        _ => Err(no_page()),
    }
}

/// Applies the lines of a commit's body to the files at `head`.
fn change(files: &mut Files, head: &str, body: &[u8]) -> Result<(), Response> {
    for line in body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        let (key, value) = (line["key"].as_str().unwrap_or_default(), &line["value"]);
        let path = value["path"].as_str().unwrap_or_default();
        match key {
            "header" if value["parentCommit"].as_str().is_some_and(|parent| parent != head) => {
                return Err(Response::error(412, "", "A commit has happened since. Please refresh and try again."));
            }
            "header" => {}
            "file" => {
                let content = STANDARD.decode(value["content"].as_str().unwrap_or_default());
                let content = content.map_err(|_| Response::error(400, "", "content is not base64"))?;
                files.insert(path.to_owned(), Arc::new(Blob::new(path, content)));
            }
            "deletedFile" if files.remove(path).is_some() => {}
            _ => return Err(Response::error(400, "", &format!("{key} {path}: not possible"))),
        }
    }
    Ok(())
}
