// GET, POST and a missing page with reqwest, which does TLS by rustls.
//
//   use_reqwest BASE_URL [CA_FILE]
use reqwest::blocking::Client;
use reqwest::{Certificate, Error};

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().collect();
    let mut builder = Client::builder();
    if let Some(file) = words.get(2) {
        let text = std::fs::read(file).expect("the authority's certificate");
        builder = builder.add_root_certificate(Certificate::from_pem(&text)?);
    }
    let client = builder.build()?;
    for path in ["/small.txt", "/gone", "/1.txt"] {
        let answer = client.get(format!("{}{path}", words[1])).send()?;
        println!("{} {}", answer.status().as_u16(), answer.bytes()?.len());
    }
    Ok(())
}
