//! `clearbay-bundler MODULE.wasm FOLDER`: writes `clearbay.js`, `clearbay_bg.wasm` and the latter
//! compressed, for browsers, into the folder.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(module), Some(folder)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: clearbay-bundler MODULE.wasm FOLDER");
    };
    let folder = Path::new(&folder);
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&module)
        .out_name("clearbay")
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
        .context("wasm-bindgen failed")?;
    for name in ["clearbay_bg.wasm", "clearbay.js"] {
        let bytes = fs::read(folder.join(name))?;
        let file = fs::File::create(folder.join(format!("{name}.gz")))?;
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        gzip.write_all(&bytes)?;
        gzip.finish()?;
    }
    Ok(())
}
