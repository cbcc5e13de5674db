//! `clearbay-bundler MODULE.wasm NAME FOLDER`: writes `NAME.js` and `NAME_bg.wasm`, plain and compressed,
//! for browsers, into the folder.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(module), Some(name), Some(folder)) = (args.next(), args.next(), args.next()) else {
        anyhow::bail!("usage: clearbay-bundler MODULE.wasm NAME FOLDER");
    };
    let folder = Path::new(&folder);
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&module)
        .out_name(&name)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
        .context("wasm-bindgen failed")?;
    for file in [format!("{name}_bg.wasm"), format!("{name}.js")] {
        let bytes = fs::read(folder.join(&file))?;
        let file = fs::File::create(folder.join(format!("{file}.gz")))?;
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        gzip.write_all(&bytes)?;
        gzip.finish()?;
    }
    Ok(())
}
